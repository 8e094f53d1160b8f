"""Overlapping faults under traffic, by the command line.

`conftest.py` has this run before every other test of the shared stack: what they forge, an audit would report.
"""

import pytest

from tests.system.chaos import chaos, require_nothing_lost
from tests.system.marketplace import Marketplace


@pytest.mark.timeout(400)
def test_some_seeded_faults_lose_nothing(marketplace: Marketplace) -> None:
    found = chaos(marketplace, "random", "--seed", "5", "--duration", "10", "--rate", "8")
    require_nothing_lost(marketplace, found, accepted=20, faults=2)
