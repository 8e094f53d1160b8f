"""`python -m notifications` runs one replica of notifications."""

from infra.runtime import run
from notifications.service import SERVICE

run(SERVICE)
