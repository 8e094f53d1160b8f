"""`python -m delivery` runs one replica of delivery."""

from delivery.service import SERVICE
from infra.runtime import run

run(SERVICE)
