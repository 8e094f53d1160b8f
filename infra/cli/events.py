"""Commands about events: the map of who says and hears what, and the gate of their contracts."""

from datetime import UTC, date, datetime
from typing import Annotated

import typer
from rich.table import Column, Table

from contracts.__main__ import check as check_contracts
from contracts.__main__ import write as write_contracts
from contracts.catalogue import EVENTS
from contracts.gate import SCHEMAS
from infra.cli.show import console
from infra.local import CHECKOUT

commands = typer.Typer()
events = typer.Typer(no_args_is_help=True, help="Events: who says and hears them.")
contracts = typer.Typer(no_args_is_help=True, help="The contracts of events.")
commands.add_typer(events, name="events")
commands.add_typer(contracts, name="contracts")

MAP = CHECKOUT / "ARCHITECTURE.md"


@events.command("map")
def show_map(
    as_mermaid: Annotated[bool, typer.Option("--mermaid", help="As a Mermaid flow chart.")] = False,
    write: Annotated[bool, typer.Option("--write", help="Renew the diagram in ARCHITECTURE.md.")] = False,
) -> None:
    """Show who says and who hears what, as the services' tables have it."""
    from infra.docs import event_map, read_wiring

    services = read_wiring(CHECKOUT)
    if write:
        console.print(f"{MAP.name}: {'renewed' if event_map.renew(MAP, services) else 'up to date'}.")
    elif as_mermaid:
        typer.echo(event_map.mermaid(services))
    else:
        table = _table("event", "said by", "heard by")
        for type, publisher, queues in event_map.rows(services):
            table.add_row(type, publisher, ", ".join(queues) or "[dim]nobody[/]")
        console.print(table)


@contracts.command("check")
def check() -> None:
    """Compare every event with its golden schema; fails if one breaks its contract."""
    raise typer.Exit(check_contracts(SCHEMAS))


@contracts.command("write")
def write() -> None:
    """Write the golden schemas of new events and of compatible changes."""
    raise typer.Exit(write_contracts(SCHEMAS))


@contracts.command("ls")
def list_contracts() -> None:
    """List every event: its publisher, versions, who hears each, and until when it is said."""
    from infra.docs import read_wiring
    from infra.docs.wiring import hearers

    services = read_wiring(CHECKOUT)
    table = _table("event", "publisher", "version", "heard by", "deprecated")
    for event in sorted(EVENTS, key=lambda event: event.type):
        name = event.type.rpartition(".")[0]
        queues = ", ".join(hearers(services, event.type))
        heard = "[dim]its own service, later[/]" if event.internal else queues or "[dim]nobody[/]"
        table.add_row(name, event.publisher, f"v{event.version}", heard, _until(event.deprecated))
    console.print(table)


def _until(day: date | None) -> str:
    if day is None:
        return ""
    return f"[red]since {day}[/]" if day < datetime.now(UTC).date() else f"[yellow]said until {day}[/]"


def _table(*headings: str) -> Table:
    first = Column(headings[0], no_wrap=True)
    return Table(first, *headings[1:], box=None, pad_edge=False, header_style="bold")
