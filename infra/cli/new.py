"""Implements the commands that generate the code of a new service or a new event."""

from typing import Annotated, Literal

import typer

from infra.cli.show import console
from infra.stack import CHECKOUT

commands = typer.Typer()
new = typer.Typer(no_args_is_help=True, help="Begin a service or an event.")
commands.add_typer(new, name="new")


@new.command("service")
def begin_service(
    name: Annotated[str, typer.Argument(help="Lower-case letters, such as recommendations.", metavar="NAME")],
    hears: Annotated[list[str], typer.Option(help="An event to hear; may be given more than once.", metavar="TYPE")],
    says: Annotated[
        list[str] | None, typer.Option(help="An event of its own, to begin with it.", metavar="TYPE")
    ] = None,
    http: Annotated[bool, typer.Option("--http", help="It answers over HTTP, too.")] = False,
    history: Annotated[
        Literal["first"] | None, typer.Option(help="It begins with what was said before it was there.")
    ] = None,
) -> None:
    """Begin a service: the same rooms as in the others, working, with tests that pass."""
    from contracts.registry import EVENTS
    from infra.lab.scaffold import new_service

    plan = new_service(
        CHECKOUT, name, hears=hears, says=says or [], http=http, history=history is not None, events=EVENTS
    )
    _tell(plan.carry_out())
    console.print(f"Try it: ./marketplace test tests/unit/{name} tests/integration/{name}", highlight=False)
    console.print("Run it: ./marketplace down && ./marketplace up -d", highlight=False)


@new.command("event")
def begin_event(
    type: Annotated[str, typer.Argument(help="Such as checkout.order-archived.", metavar="TYPE")],
    key: Annotated[str | None, typer.Option(help="The field that names what it is about.", metavar="FIELD")] = None,
) -> None:
    """Begin an event of a service, or its next version (….v2): class, line in the catalogue, golden schema, upcast."""
    from contracts.registry import EVENTS
    from infra.lab.scaffold import new_event

    plan = new_event(CHECKOUT, type, types=[event.type for event in EVENTS], key=key)
    _tell(plan.carry_out())
    publisher = type.partition(".")[0]
    if "contracts/upcasts.py" in plan.files:
        console.print(f"Next: change it in contracts/{publisher}.py, and its upcast in contracts/upcasts.py.")
        console.print("      docs/change-an-event.md goes on from there.", highlight=False)
        return
    console.print(f"Next: say in contracts/{publisher}.py what has happened and add fields,", highlight=False)
    console.print("      ./marketplace contracts write after each change, until it is deployed;", highlight=False)
    console.print(f"      name it in says= of {publisher}/service.py, and publish it in a handler.", highlight=False)


def _tell(paths: list[str]) -> None:
    for path in paths:
        console.print(f"wrote {path}", soft_wrap=True, highlight=False)
