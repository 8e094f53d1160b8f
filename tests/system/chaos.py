"""`./marketplace chaos` and what it reports."""

import json
import subprocess
import sys
from typing import Any

from tests.system.marketplace import ROOT, Marketplace


def chaos(stack: Marketplace, *arguments: str) -> dict[str, Any]:
    """Return the report of a run. Raises AssertionError, with what the command printed, unless it succeeded."""
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
    """Assert that the audit passed, that so much happened, that every fault bit, and that none is in effect."""
    assert (found["verdict"], found["violations"]) == ("pass", [])
    assert found["orders"]["accepted"] > accepted
    assert found["orders"]["pending"] == 0
    assert len(found["faults"]) >= faults
    assert all(fault["bite"] for fault in found["faults"])
    assert not list((stack.home / stack.name / "faults").glob("*"))
