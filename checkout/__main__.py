"""`python -m checkout`: one replica of the service."""

from checkout.service import SERVICE
from infra.runtime import run

run(SERVICE)
