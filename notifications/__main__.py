"""`python -m notifications` runs one replica of notifications."""

from marketplace_runtime.service import run
from notifications.service import SERVICE

run(SERVICE)
