"""Implements commands about events: publishers and subscribers, live events, the history of an order, and contracts."""

import asyncio
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.table import Column, Table

from infra.cli.operations_client import get_token
from infra.cli.output import console, print_error
from infra.stack import CHECKOUT, LocalError, layout, read_state

commands = typer.Typer()
events = typer.Typer(no_args_is_help=True, help="Show events, their publishers and their subscribers.")
contracts = typer.Typer(
    no_args_is_help=True, help="Check and write the contracts of events and HTTP APIs, and list those of events."
)
commands.add_typer(events, name="events")
commands.add_typer(contracts, name="contracts")

ARCHITECTURE_PAGE, OVERVIEW_PICTURE = CHECKOUT / "ARCHITECTURE.md", CHECKOUT / "docs/overview.svg"


@events.command("map")
def show_map(
    as_mermaid: Annotated[bool, typer.Option("--mermaid", help="Print a Mermaid flow chart.")] = False,
    write: Annotated[
        bool, typer.Option("--write", help="Update the diagram in ARCHITECTURE.md, and docs/overview.svg.")
    ] = False,
) -> None:
    """Show the publisher and the subscribers of each event, as the services declare them."""
    from infra.lab.docs import event_map, overview, read_wiring

    services = read_wiring(CHECKOUT)
    if write:
        console.print(
            f"{ARCHITECTURE_PAGE.name}: "
            f"{'updated' if event_map.update_diagram(ARCHITECTURE_PAGE, services) else 'up to date'}."
        )
        OVERVIEW_PICTURE.write_text(overview(services), encoding="utf-8")
    elif as_mermaid:
        typer.echo(event_map.mermaid(services))
    else:
        table = _table("event", "published by", "received by")
        for type, publisher, queues in event_map.rows(services):
            table.add_row(type, publisher, ", ".join(queues) or "[dim]none[/]")
        console.print(table)


@events.command("tail")
def tail_events(
    pattern: Annotated[
        str, typer.Argument(help="Shell pattern of event types, such as 'checkout.*' or 'order-*'.", metavar="PATTERN")
    ] = "*",
    count: Annotated[int | None, typer.Option("-n", "--count", help="End after this number of events.", min=1)] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print each event as a line of JSON.")] = False,
) -> None:
    """Show events as they are published, until Ctrl-C. Subscribers still receive every event."""
    from contracts.registry import BY_TYPE
    from infra.cli.event_lines import event_line
    from infra.lab.watch import tail
    from marketplace_runtime.events import matches

    if not any(matches(pattern, type) for type in BY_TYPE):
        raise typer.BadParameter(f"no event type matches {pattern!r}: see `events map`", param_hint="PATTERN")
    state = read_state(layout().state)
    messages = tail(state.broker["amqp"], list(state.services), pattern)
    next(messages)  # returns None when the subscription exists
    typer.echo(f"Listening for {pattern}. Press Ctrl-C to end.", err=True)
    shown = 0
    for message in messages:
        if message is None:  # no event for a second
            continue
        if as_json:
            typer.echo(json.dumps(vars(message), default=str))
        else:
            console.print(event_line(message, sorted(state.services)), soft_wrap=True)
        shown += 1
        if shown == count:
            return


@commands.command()
def order(
    id: Annotated[str, typer.Argument(help="Id of the order, or of another subject of events.", metavar="ID")],
) -> None:
    """Show the history of one order in all services: every event, its cause, attempts, delays (in s) and duplicates."""
    from infra.cli.event_lines import history_line
    from infra.lab.watch import collect_history

    if not id.strip():
        raise typer.BadParameter("the id is empty: GET /orders lists a customer's orders", param_hint="ID")
    state = read_state(layout().state)
    services = {name: next(iter(each.ops.values()), each.http) for name, each in state.services.items()}
    history, missing = asyncio.run(collect_history(services, get_token("operator", ["operator"]), id))
    for each in missing:
        print_error(each)
    for entry in history:
        console.print(history_line(entry, history[0].at, sorted(services)), soft_wrap=True)
    if not history and missing:
        raise LocalError(
            f"The services that answered do not know {id}.", "Check that everything is up: ./marketplace status"
        )
    if not history:
        raise LocalError(
            f"No service knows {id}.",
            "Give the whole id: GET /orders lists a customer's. Histories are deleted after RETENTION_DAYS (14).",
        )


@commands.command("docs")
def build_docs(
    out: Annotated[Path, typer.Option(help="The directory to write to.", metavar="DIR", file_okay=False)] = CHECKOUT
    / "build"
    / "docs",
) -> None:
    """Build the documentation as a searchable site that needs no network, with AsyncAPI, JSON Schemas and OpenAPI."""
    from contracts.registry import EVENTS
    from infra.lab.docs import build, read_wiring

    for file in build(EVENTS, read_wiring(CHECKOUT), CHECKOUT, out):
        console.print(f"wrote {file}", soft_wrap=True, highlight=False)


@contracts.command("check")
def check() -> None:
    """Compare every event and HTTP API with its golden file. Fails if one breaks its contract."""
    from contracts.__main__ import main as run_contracts

    raise typer.Exit(run_contracts(["check"]))


@contracts.command("write")
def write() -> None:
    """Write the golden files of new events and HTTP APIs, and of compatible changes."""
    from contracts.__main__ import main as run_contracts

    raise typer.Exit(run_contracts(["write"]))


@contracts.command("ls")
def list_contracts() -> None:
    """List every event with its publisher, version and subscribers, and the date until which it is published."""
    from contracts.registry import EVENTS
    from infra.lab.docs import read_wiring
    from infra.lab.docs.wiring import subscribed_queues

    services = read_wiring(CHECKOUT)
    table = _table("event", "publisher", "version", "received by", "deprecated")
    for event in sorted(EVENTS, key=lambda event: event.type):
        name = event.type.rpartition(".")[0]
        queues = ", ".join(subscribed_queues(services, event.type))
        subscribers = "[dim]its own service, when it is due[/]" if event.internal else queues or "[dim]none[/]"
        table.add_row(name, event.publisher, f"v{event.version}", subscribers, _until(event.deprecated))
    console.print(table)


def _until(day: date | None) -> str:
    if day is None:
        return ""
    return f"[red]since {day}[/]" if day < datetime.now(UTC).date() else f"[yellow]published until {day}[/]"


def _table(*headings: str) -> Table:
    first = Column(headings[0], no_wrap=True)
    others = (Column(heading, overflow="fold") for heading in headings[1:])
    return Table(first, *others, box=None, pad_edge=False, header_style="bold")
