"""Overlapping faults under traffic, by the command line, on a stack of its own that comes up for it and goes."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.system.marketplace import ROOT, Marketplace


@pytest.mark.timeout(400)
@pytest.mark.parametrize(
    ("duration_s", "accepted", "faults"), [(10, 20, 2), pytest.param(30, 60, 6, marks=pytest.mark.slow)]
)
def test_seeded_faults_that_overlap_lose_nothing(duration_s: int, accepted: int, faults: int) -> None:
    with a_stack() as stack:
        found = chaos(stack, "random", "--seed", "5", "--duration", str(duration_s), "--rate", "8")
        assert (found["verdict"], found["violations"]) == ("pass", [])
        assert found["orders"]["accepted"] > accepted
        assert found["orders"]["pending"] == 0
        assert len(found["faults"]) >= faults
        assert all(fault["bite"] for fault in found["faults"])
        assert not list((stack.home / stack.name / "faults").glob("*"))


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_an_experiment_shows_what_it_is_for() -> None:
    with a_stack() as stack:
        found = chaos(stack, "run", "flash-sale", "--seed", "5")
        assert (found["verdict"], found["violations"]) == ("pass", [])
        assert found["expectations"] == {"missed": []}
        assert [(fault["kind"], fault["part"]) for fault in found["faults"]] == [("burst", "traffic")]
        assert found["title"] == "Experiment flash-sale"


@contextmanager
def a_stack() -> Iterator[Marketplace]:
    """One that is not up."""
    with tempfile.TemporaryDirectory(prefix="marketplace-chaos-") as home:
        Path(home).chmod(0o711)
        yield Marketplace(Path(home), f"chaos-{os.getpid()}")


def chaos(stack: Marketplace, *arguments: str) -> dict[str, Any]:
    """The report of a run that must have succeeded."""
    report = stack.home / "report.json"
    done = subprocess.run(
        [sys.executable, "-m", "infra.cli", "--stack", stack.name, "chaos", *arguments, "--json", str(report)],
        cwd=ROOT,
        env=stack.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=360,
        check=False,
    )
    assert report.exists(), done.stdout + done.stderr
    assert done.returncode == 0, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(report.read_text())
    return found
