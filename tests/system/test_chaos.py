"""Overlapping faults under traffic, by the command line, on a stack of its own that comes up for it and goes."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from tests.system.marketplace import ROOT, Marketplace


@pytest.mark.timeout(400)
def test_half_a_minute_of_seeded_faults_loses_nothing() -> None:
    with tempfile.TemporaryDirectory(prefix="marketplace-chaos-") as home:
        Path(home).chmod(0o711)
        stack = Marketplace(Path(home), f"chaos-{os.getpid()}")
        report = Path(home) / "report.json"
        done = subprocess.run(
            [
                *(sys.executable, "-m", "infra.cli", "--stack", stack.name, "chaos", "random"),
                *("--seed", "5", "--duration", "30", "--rate", "8", "--json", str(report)),
            ],
            cwd=ROOT,
            env=stack.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=360,
            check=False,
        )
        assert report.exists(), done.stdout + done.stderr
        found = json.loads(report.read_text())
        assert (found["verdict"], found["violations"], done.returncode) == ("pass", [], 0), done.stdout + done.stderr
        assert found["orders"]["accepted"] > 60
        assert found["orders"]["pending"] == 0
        assert len(found["faults"]) >= 6
        assert all(fault["bite"] for fault in found["faults"])
        assert not list((Path(home) / stack.name / "faults").glob("*"))
