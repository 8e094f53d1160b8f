"""Implements the commands that add, list and undo faults."""

import asyncio
import time
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from infra.cli.output import console
from infra.cli.stack import running_stack
from infra.cli.termination import treat_termination_as_interrupt
from infra.stack import CHECKOUT, Layout, LocalError, services_of

if TYPE_CHECKING:  # imports clients, which would delay the other commands
    from infra.lab.chaos import Fault

commands = typer.Typer()
fault_commands = typer.Typer(no_args_is_help=True, help="Inject, list and undo faults.")
commands.add_typer(fault_commands, name="fault")


@fault_commands.command("add")
def add_fault(
    kind: Annotated[str, typer.Argument(metavar="KIND", help="Kind of fault, as listed by `fault kinds`.")],
    part: Annotated[
        str, typer.Argument(metavar="PART", help="Where it takes effect: cart, cart-db, cart:broker, payments-a, …")
    ],
    options: Annotated[
        list[str] | None, typer.Argument(metavar="NAME=VALUE…", help="Options of the kind, such as latency_ms=500.")
    ] = None,
    seconds: Annotated[
        float | None, typer.Option("--for", help="Wait this number of seconds, then undo the fault.", min=0.1)
    ] = None,
) -> None:
    """Inject a fault for some seconds, or until `fault rm` or `heal`."""
    from infra.lab.chaos import KINDS, Fault, check_fault

    fault = check_fault(Fault(kind, part, dict(map(_option, options or ()))), services_of(CHECKOUT))
    if seconds is None and not KINDS[kind].outlives_process:
        raise LocalError(f"{kind} lasts only while this command runs.", "Give its duration in seconds: --for SECONDS")
    treat_termination_as_interrupt()
    asyncio.run(_add(_running_stack(), fault, seconds))


@fault_commands.command("ls")
def list_faults() -> None:
    """List the faults in effect."""
    from infra.lab.chaos import Journal

    table = _table("id", "kind", "part", "options", "for")
    entries = Journal(running_stack().faults).entries()
    if not entries:
        console.print("No faults are in effect.")
        return
    for entry in entries:
        options = " ".join(f"{name}={value:g}" for name, value in entry.fault.options.items())
        table.add_row(entry.fault.id, entry.fault.kind, entry.fault.part, options, f"{time.time() - entry.since:.0f} s")
    console.print(table)


@fault_commands.command("kinds")
def list_kinds() -> None:
    """List the kinds of faults, and the parts where each can be injected."""
    from infra.lab.chaos import KINDS

    table = _table("kind", "what happens", "where", "options")
    for kind in KINDS.values():
        parts = kind.parts(services_of(CHECKOUT))
        shown_parts = " ".join(parts[:4]) + (" …" if len(parts) > 4 else "")
        options = " ".join(f"{name}={value:g}" for name, value in kind.defaults.items())
        table.add_row(kind.name, kind.about, shown_parts, options)
    console.print(table)


@fault_commands.command("rm")
def remove_fault(
    fault_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the fault, as listed by `fault ls`.")],
) -> None:
    """Undo one fault."""
    asyncio.run(_remove(_running_stack(), fault_id))


@commands.command("heal")
def heal_everything() -> None:
    """Undo all faults, resume paused parts and start parts that are down."""
    with console.status("Undoing faults"):
        done = asyncio.run(_heal(_running_stack()))
    console.print("\n".join(done) or "Nothing was wrong.")


async def _add(where: Layout, fault: "Fault", seconds: float | None) -> None:
    from infra.lab.chaos import KINDS, Journal, begin, in_effect, observe_effect, open_site, wait_in_effect

    Journal(where.faults).refuse_replacements(fault)
    async with open_site(where) as site:
        if seconds is None and not KINDS[fault.kind].is_momentary:
            await begin(site, fault)
            console.print(
                f"{fault.id}: {await observe_effect(site, fault) or f'{fault.kind} is in effect at {fault.part}'}"
            )
            return
        async with in_effect(site, fault) as effects:
            with console.status(f"{fault.kind} at {fault.part}"):
                await wait_in_effect(site, fault, 0 if KINDS[fault.kind].is_momentary else seconds or 0)
        console.print(" ".join(effects) or "No effect was observed.")
        if failure := site.failures.get(fault.id):
            raise LocalError(f"{fault.kind} at {fault.part}: {failure}", "The fault was undone. Add it again.")


async def _remove(where: Layout, fault_id: str) -> None:
    from infra.lab.chaos import Journal, end, open_site

    async with open_site(where) as site:
        await end(site, Journal(where.faults).entry(fault_id).fault)


async def _heal(where: Layout) -> list[str]:
    from infra.lab.chaos import heal, open_site

    async with open_site(where) as site:
        return await heal(site)


def _running_stack() -> Layout:
    """Return the running stack. If it is down, the error suggests to start it with the fault proxy."""
    return running_stack("./marketplace up -d --faultable")


def _option(text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        return name, float(value)
    except ValueError:
        raise typer.BadParameter(f"write {text!r} as NAME=NUMBER, such as latency_ms=500") from None


def _table(*headings: str) -> Table:
    return Table(*(Column(heading, overflow="fold") for heading in headings), box=None, pad_edge=False)
