"""`python -m catalog` runs one replica of the catalog."""

from catalog.service import SERVICE
from infra.runtime import run

run(SERVICE)
