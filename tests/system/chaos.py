"""Runs `./marketplace chaos` and checks its report."""

import json
import subprocess
import sys
from typing import Any

from tests.system.marketplace import ROOT, Marketplace


def chaos(stack: Marketplace, *arguments: str) -> dict[str, Any]:
    """Run chaos and return its report. Raises AssertionError with the command's output if it fails."""
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


def require_nothing_lost(stack: Marketplace, found: dict[str, Any], *, accepted: int, faults: int) -> None:
    """Assert that the audit passed, that enough happened, that every fault had an effect, and that none remains."""
    assert (found["verdict"], found["violations"]) == ("pass", [])
    assert found["orders"]["accepted"] > accepted
    assert found["orders"]["pending"] == 0
    assert len(found["faults"]) >= faults
    assert all(fault["bite"] for fault in found["faults"])
    assert not list((stack.home / stack.name / "faults").glob("*"))
