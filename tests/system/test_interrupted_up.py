"""An `up -d` that is interrupted before the stack is ready leaves nothing running."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infra.stack import is_up
from infra.stack.layout import Layout
from tests.system.marketplace import ROOT, Marketplace, until


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_an_interrupted_up_stops_what_it_started(tmp_path: Path, number: signal.Signals) -> None:
    stack = Marketplace(tmp_path, "interrupted")
    where = Layout(stack.name, tmp_path / stack.name)
    command = subprocess.Popen(
        [sys.executable, "-m", "infra.cli", "--stack", stack.name, "up", "-d"],
        cwd=ROOT,
        env=stack.environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        await until(lambda: started(where), 30)
        command.send_signal(number)
        output, _ = command.communicate(timeout=60)
    finally:
        command.kill()
    assert "Interrupted before the stack was ready" in output
    assert command.returncode != 0
    assert not is_up(where)


async def started(where: Layout) -> bool:
    return is_up(where)
