from pathlib import Path

import pytest

from infra.lab.docs import Wired, read_wiring

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="session")
def services() -> list[Wired]:
    """Return the tables of this checkout's services. Read once, since that takes seconds."""
    return read_wiring(ROOT)
