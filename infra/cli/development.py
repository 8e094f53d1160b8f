"""Implements the commands that run the test suite and the benchmarks."""

import os
import sys
from typing import Annotated

import typer

from infra.cli.stack import install_for_tests
from infra.stack import CHECKOUT

commands = typer.Typer()
IN_PARALLEL = ["-n", "3", "--dist", "loadscope", "--no-loadscope-reorder"]
"""pytest's arguments for a parallel run. `tests/scheduling.py` decides which tests share a process.

Many tests wait for something, so three processes, each with its own servers, keep two cores busy. On two cores, a
fourth process does not shorten the run.
"""


@commands.command("test", context_settings={"ignore_unknown_options": True, "allow_extra_args": True})
def run_tests(
    context: typer.Context,
    everything: Annotated[bool, typer.Option("--all", help="Run the slow tests, too.")] = False,
) -> None:
    """Run the tests in three processes. With other arguments, which pytest receives, they run in one process."""
    install_for_tests()
    os.chdir(CHECKOUT)
    every = ["--all", "--durations=20"] if everything else []
    chosen = context.args or IN_PARALLEL
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # reusing pytest's compiled assertions saves each process 5 s
    os.execv(sys.executable, [sys.executable, "-m", "pytest", *every, *chosen])  # noqa: S606 - pytest replaces this process


@commands.command(
    "bench",
    context_settings={"ignore_unknown_options": True, "allow_extra_args": True, "help_option_names": []},
    help="Measure the messaging runtime against other libraries, or this checkout against another revision. "
    "Options: bench --help",
)
def run_benchmarks(context: typer.Context) -> None:
    """Pass every argument to the benchmarks, which have their own help."""
    os.chdir(CHECKOUT)
    os.execv(sys.executable, [sys.executable, "-m", "tests.benchmarks", *context.args])  # noqa: S606 - it replaces this process
