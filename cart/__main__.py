"""`python -m cart` runs one replica of the cart."""

from cart.service import SERVICE
from infra.runtime import run

run(SERVICE)
