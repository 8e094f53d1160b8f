"""Runs rabbitmqctl against the stack's own broker, for what the management API does not offer."""

import asyncio
import os
from pathlib import Path

from infra.stack.binaries import RabbitBinaries, find_rabbitmq
from infra.stack.errors import LocalError
from infra.stack.layout import Layout
from infra.stack.processes import base_environment
from infra.stack.provision import BROKER, Provider
from infra.stack.state import StackState

NODE = "marketplace@localhost"
COMMAND_TIMEOUT_S = 30.0


async def rabbitmqctl(layout: Layout, state: StackState, *arguments: str) -> str:
    """Run `rabbitmqctl ARGUMENTS` for this stack's node, and return its output.

    Raises `LocalError` if it fails, does not answer within 30 s, or the stack does not run the broker itself.
    """
    if state.providers.get(BROKER.name) == Provider.DOCKER:
        from infra.stack.containers import run_inside

        command = ("rabbitmqctl", "-q", "-n", NODE, *arguments)
        try:
            async with asyncio.timeout(COMMAND_TIMEOUT_S):
                code_and_output = await asyncio.to_thread(run_inside, layout.name, "broker", *command)
        except TimeoutError:
            raise _no_answer(arguments[0]) from None
        return _checked_output(arguments[0], *code_and_output)
    binaries = find_rabbitmq()
    if binaries is None or "epmd" not in state.ports:  # only a broker that the stack runs has a port for epmd
        raise LocalError(
            "rabbitmqctl needs a broker that the stack runs itself.", "Start the stack without MARKETPLACE_BROKER_URL."
        )
    return await run_rabbitmqctl(binaries, layout.directory / "broker", state.ports["epmd"], *arguments)


async def run_rabbitmqctl(binaries: RabbitBinaries, home: Path, epmd_port: int, *arguments: str) -> str:
    """Run `rabbitmqctl ARGUMENTS` for the node with its files below `home`, and return its output.

    Raises `LocalError` if it fails or does not answer within 30 s.
    """
    running = await asyncio.create_subprocess_exec(
        *(str(binaries.server.with_name("rabbitmqctl")), "-q", "-n", NODE, *arguments),
        env=base_environment()
        | {
            "HOME": str(home),  # the Erlang cookie lies there
            "ERL_EPMD_PORT": str(epmd_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_CONF_ENV_FILE": os.devnull,
        },
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        async with asyncio.timeout(COMMAND_TIMEOUT_S):
            output, _ = await running.communicate()
    except TimeoutError:
        running.kill()
        raise _no_answer(arguments[0]) from None
    return _checked_output(arguments[0], running.returncode, output.decode(errors="replace"))


def _no_answer(subcommand: str) -> LocalError:
    return LocalError(f"rabbitmqctl {subcommand} did not answer.", "Check that the broker is up: ./marketplace status")


def _checked_output(subcommand: str, code: int | None, output: str) -> str:
    if code != 0:
        raise LocalError(f"rabbitmqctl {subcommand} failed: {output.strip()[-300:]}")
    return output
