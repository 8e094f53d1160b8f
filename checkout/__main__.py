"""`python -m checkout`: one replica of the service."""

from checkout.service import SERVICE
from marketplace_runtime.service import run

run(SERVICE)
