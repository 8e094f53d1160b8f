"""Combines all commands in one application, and reports their failures."""

import asyncio
import os
import shlex
import sys
from typing import Annotated

import typer

from infra.cli import (
    audit,
    chaos,
    dead_letters,
    development,
    discovery,
    events,
    faults,
    new,
    parts,
    replay,
    reporting,
    republish,
    simulation,
    stack,
    topology,
)
from infra.cli.groups import GroupedCommands
from infra.cli.output import CHOSEN_STACK, print_error
from infra.stack import LocalError

app = typer.Typer(
    name="marketplace",
    cls=GroupedCommands,
    help="Run a marketplace on this machine, simulate its customers, inject faults and audit the result.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
for commands in (
    stack.commands,
    parts.commands,
    discovery.commands,
    faults.commands,
    chaos.commands,
    simulation.commands,
    reporting.commands,
    events.commands,
    dead_letters.commands,
    topology.commands,
    republish.commands,
    replay.commands,
    audit.commands,
    new.commands,
    development.commands,
):
    app.add_typer(commands)


@app.callback()
def set_common_options(
    name: Annotated[
        str | None,
        typer.Option(
            "--stack", help="Name of the stack. Default: MARKETPLACE_STACK, or this checkout's own.", metavar="NAME"
        ),
    ] = None,
    debug: Annotated[bool, typer.Option("--debug", help="Show a traceback if the command fails.")] = False,
) -> None:
    """Store the options that all commands share in environment variables."""
    if name is not None:
        if not name:
            raise typer.BadParameter("the name of a stack must not be empty.", param_hint="'--stack'")
        os.environ["MARKETPLACE_STACK"] = os.environ[CHOSEN_STACK] = name
    if debug:
        os.environ["MARKETPLACE_DEBUG"] = "1"


def main() -> int:
    """Run a command, and return its exit code. 0: success; 1: failure; 2: wrong arguments; 130: interrupted.

    With `--debug` (MARKETPLACE_DEBUG), errors are raised instead of reported.
    """
    try:
        app(prog_name="marketplace")
    except LocalError as error:
        if os.environ.get("MARKETPLACE_DEBUG"):
            raise
        print_error(str(error), error.remedy)
        return 1
    except (KeyboardInterrupt, asyncio.CancelledError):
        return 130
    except Exception as error:
        if os.environ.get("MARKETPLACE_DEBUG"):
            raise
        print_error(
            f"{type(error).__name__}: {error}", f"Show the traceback: ./marketplace --debug {shlex.join(sys.argv[1:])}"
        )
        return 1
    return 0
