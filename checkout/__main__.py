"""`python -m checkout` runs one replica of checkout."""

from checkout.service import SERVICE
from marketplace_runtime.service import run

run(SERVICE)
