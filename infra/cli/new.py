"""Implements the commands that generate the code of a new service or a new event."""

from typing import Annotated, Literal

import typer

from infra.cli.output import console
from infra.stack import CHECKOUT

commands = typer.Typer()
new = typer.Typer(no_args_is_help=True, help="Generate the code of a service or an event.")
commands.add_typer(new, name="new")


@new.command("service")
def generate_service(
    name: Annotated[str, typer.Argument(help="Name in lower-case letters, such as recommendations.", metavar="NAME")],
    subscribes: Annotated[
        list[str],
        typer.Option("--subscribes", "--hears", help="Event type to subscribe to. Can be repeated.", metavar="TYPE"),
    ],
    publishes: Annotated[
        list[str] | None,
        typer.Option(
            "--publishes", "--says", help="Event type to create and publish. Can be repeated.", metavar="TYPE"
        ),
    ] = None,
    http: Annotated[bool, typer.Option("--http", help="Add an HTTP API.")] = False,
    history: Annotated[
        Literal["first"] | None, typer.Option(help="Begin with the events published before the service existed.")
    ] = None,
) -> None:
    """Generate a working service with the same modules as the other services, and with tests that pass."""
    from contracts.registry import EVENTS
    from infra.lab.scaffold import new_service

    plan = new_service(
        CHECKOUT,
        name,
        subscribes=subscribes,
        publishes=publishes or [],
        http=http,
        history=history is not None,
        events=EVENTS,
    )
    _print_written(plan.carry_out())
    console.print(f"Try it: ./marketplace test tests/unit/{name} tests/integration/{name}", highlight=False)
    console.print("Run it, also beside a stack that is up: ./marketplace up -d", highlight=False)


@new.command("event")
def generate_event(
    type: Annotated[str, typer.Argument(help="Event type, such as checkout.order-archived.", metavar="TYPE")],
    key: Annotated[str | None, typer.Option(help="Field with the id of the event's subject.", metavar="FIELD")] = None,
) -> None:
    """Generate an event, or its next version (….v2): class, entry in the registry, golden schema, and upcast."""
    from contracts.registry import EVENTS
    from infra.lab.scaffold import new_event

    plan = new_event(CHECKOUT, type, types=[event.type for event in EVENTS], key=key)
    _print_written(plan.carry_out())
    publisher = type.partition(".")[0]
    if "contracts/upcasts.py" in plan.files:
        console.print(f"Next: change its class in contracts/{publisher}.py, and its upcast in contracts/upcasts.py.")
        console.print("      See docs/change-an-event.md for the next steps.", highlight=False)
        return
    console.print(f"Next: in contracts/{publisher}.py, describe what has happened, and add fields;", highlight=False)
    console.print(
        "      after each change, run ./marketplace contracts write, until the event is deployed;", highlight=False
    )
    console.print(
        f"      list it in publishes= in {publisher}/service.py, and publish it in a use case;", highlight=False
    )
    console.print("      then run ./marketplace events map --write, which renews the diagrams.", highlight=False)


def _print_written(paths: list[str]) -> None:
    for path in paths:
        console.print(f"wrote {path}", soft_wrap=True, highlight=False)
