"""More faults under traffic, on a separate stack that is started and stopped for each run."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.chaos import chaos, require_nothing_lost
from tests.system.marketplace import Marketplace

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@pytest.fixture
def stack() -> Iterator[Marketplace]:
    """Provide a stack that is not started, in its own directory."""
    with tempfile.TemporaryDirectory(prefix="marketplace-chaos-") as home:
        Path(home).chmod(0o711)
        yield Marketplace(Path(home), f"chaos-{os.getpid()}")


def test_half_a_minute_of_seeded_faults_loses_nothing(stack: Marketplace) -> None:
    found = chaos(stack, "random", "--seed", "5", "--duration", "30", "--rate", "8")
    require_nothing_lost(stack, found, accepted=60, faults=6)


def test_an_experiment_meets_its_expectations(stack: Marketplace) -> None:
    found = chaos(stack, "run", "flash-sale", "--seed", "5")
    assert (found["verdict"], found["violations"]) == ("pass", [])
    assert found["expectations"] == {"missed": []}
    assert [(fault["kind"], fault["part"]) for fault in found["faults"]] == [("burst", "traffic")]
    assert found["title"] == "Experiment flash-sale"
