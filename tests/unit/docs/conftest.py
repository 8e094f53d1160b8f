from pathlib import Path

import pytest

from infra.lab.docs import ServiceWiring, read_wiring

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def services() -> list[ServiceWiring]:
    """Return the tables of this checkout's services. Read once, since that takes seconds."""
    return read_wiring(ROOT)
