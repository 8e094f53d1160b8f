"""The test suite and the benchmarks."""

import os
import sys
from typing import Annotated

import typer

from infra.cli.stack import get_servers
from infra.local import CHECKOUT

commands = typer.Typer()


@commands.command("test", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def run_tests(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="The slow ones, too.")] = False,
) -> None:
    """Run the tests. Every other argument is pytest's."""
    get_servers()
    os.chdir(CHECKOUT)
    every = ["-m", "slow or not slow"] if everything else []
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *every, *context.args])  # noqa: S606 - pytest takes over


@commands.command("bench", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def run_benchmarks(context: typer.Context) -> None:
    """Measure the messaging runtime beside its peers: bench [NAME…] [--json FILE] [--chart FILE] [--quick]."""
    get_servers()
    os.chdir(CHECKOUT)
    os.execv(sys.executable, [sys.executable, "-m", "tests.benchmarks", *context.args])  # noqa: S606 - it takes over
