"""`python -m cart` runs one replica of the cart."""

from cart.service import SERVICE
from marketplace_runtime.service import run

run(SERVICE)
