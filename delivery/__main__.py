"""`python -m delivery` runs one replica of delivery."""

from delivery.service import SERVICE
from marketplace_runtime.service import run

run(SERVICE)
