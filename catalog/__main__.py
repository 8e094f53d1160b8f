"""`python -m catalog` runs one replica of the catalog."""

from catalog.service import SERVICE
from marketplace_runtime.service import run

run(SERVICE)
