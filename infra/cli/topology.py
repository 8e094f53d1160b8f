"""Implements the command that compares the broker's topology with the declared one."""

import os
import sys
from typing import Annotated, Literal

import typer

from infra.cli.stack import running_stack
from infra.stack import CHECKOUT, read_state, services_of

commands = typer.Typer()


@commands.command()
def topology(
    what: Annotated[
        Literal["plan", "apply"],
        typer.Argument(help="plan: only compare. apply: also make the changes that are safe.", metavar="plan|apply"),
    ],
) -> None:
    """Compare the broker's exchanges, queues and permissions with the services' declarations.

    Succeeds if nothing differs.
    """
    state = read_state(running_stack().state)
    os.environ |= {
        "BROKER_MANAGEMENT_URL": state.broker["management"],
        "SERVICE_PASSWORDS_FILE": state.secrets["service_passwords"],
    }
    os.chdir(CHECKOUT)
    command = [sys.executable, "-m", "marketplace_runtime", what, *services_of(CHECKOUT)]
    os.execv(sys.executable, command)  # noqa: S606 - it replaces this process
