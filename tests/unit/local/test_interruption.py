"""A command with something to undo ends in the same way after Ctrl-C, SIGTERM and a closed terminal."""

import signal
import subprocess
import sys

import pytest

from infra.stack import CHECKOUT

PROGRAM = """
import asyncio
from infra.cli.termination import treat_termination_as_interrupt

async def main():
    print("ready", flush=True)
    try:
        while True:  # nearly always amid its own code, where an exception would come as a surprise
            sum(range(100_000))
            await asyncio.sleep(0)
    except asyncio.CancelledError:
        print("cancelled", flush=True)
        await asyncio.sleep(0)
        print("undone", flush=True)
        raise

treat_termination_as_interrupt()
try:
    asyncio.run(main())
except KeyboardInterrupt:
    print("ended", flush=True)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_the_main_task_is_cancelled_and_can_undo_its_work(number: signal.Signals) -> None:
    with subprocess.Popen([sys.executable, "-c", PROGRAM], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as command:
        assert command.stdout is not None
        assert command.stdout.readline() == "ready\n"
        command.send_signal(number)
        assert command.communicate(timeout=20)[0].split() == ["cancelled", "undone", "ended"]
