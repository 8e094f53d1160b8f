"""Implements the command that lists the replicas of all services."""

import asyncio
import json
import time
from typing import Annotated

import typer
from rich.table import Table

from infra.cli.output import COLOURS, console, duration
from infra.cli.stack import running_stack
from infra.stack import send_request

commands = typer.Typer()
discovery = typer.Typer(no_args_is_help=True, help="List the replicas that the supervisor has registered.")
commands.add_typer(discovery, name="discovery")
GATEWAY_COLOURS = {"healthy": "green", "unhealthy": "red", "ejected": "red"}


@discovery.command("ls")
def list_replicas(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
) -> None:
    """List every replica: its address, its state and since when, and whether the gateway sends it requests."""
    replicas = asyncio.run(send_request(running_stack().socket, {"do": "discovery"}))["replicas"]
    if as_json:
        typer.echo(json.dumps(replicas, indent=2))
        return
    columns = ("service", "replica", "address", "state", "for", "gateway")
    table = Table(*columns, box=None, padding=(0, 1, 0, 0))  # fits into 80 columns
    for each in replicas:
        state, seen = each["state"], each["gateway"]
        table.add_row(
            *(each["service"], each["replica"], each["address"]),
            f"[{COLOURS.get(state, 'dim')}]{state}[/]",
            duration(time.time() - each["since"]),
            f"[{GATEWAY_COLOURS.get(seen, 'dim')}]{seen}[/]",
        )
    console.print(table)
