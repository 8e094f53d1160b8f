"""Implements the commands for the stack as a whole: up, down, status."""

import asyncio
import contextlib
import json
import subprocess
import time
from collections.abc import Callable, Iterator
from typing import Annotated

import typer

from infra.cli.live_table import sample_figures, show_live_table
from infra.cli.output import addresses, addresses_table, console, notes, parts_table, print_error
from infra.cli.termination import treat_termination_as_interrupt
from infra.stack import (
    BROKER,
    CHECKOUT,
    POSTGRES,
    Layout,
    LocalError,
    Message,
    StackIsDown,
    StackIsUp,
    delete_stack,
    given_settings,
    install_missing,
    is_up,
    program_kind,
    provide,
    read_state,
    record_start,
    required_kinds,
    send_request,
    services_of,
    start_supervisor,
    wait_until_up,
)
from infra.stack.layout import layout

commands = typer.Typer()
DOWN_WITHIN_S = 60
TEST_PROGRAMS = ("bash", "curl", "faketime", "git", "pgbouncer")
"""Programs that tests need besides the repository's own and the servers.

The first two are needed to run the commands in the documentation.
"""


@commands.command()
def up(
    detach: Annotated[
        bool, typer.Option("-d", "--detach", help="Return when everything is ready; the stack keeps running.")
    ] = False,
    faultable: Annotated[
        bool, typer.Option("--faultable", help="Connect services through the fault proxy, for `fault` and `chaos`.")
    ] = False,
) -> None:
    """Start the stack, and restart parts that crash. Ctrl-C stops it, unless --detach is given."""
    where = layout()
    if detach and is_up(where):
        _add_new_services(where, faultable=faultable)
        return
    treat_termination_as_interrupt()
    began = time.monotonic()
    supervisor = bring_up(where, stops_with_parent=not detach, faultable=faultable)
    console.print(
        f"The stack is up after {time.monotonic() - began:.1f} s.", addresses_table(read_state(where.state)), sep="\n"
    )
    if detach:
        return
    try:
        asyncio.run(show_live_table(where))
    except KeyboardInterrupt:
        console.print("Stopping.")
    finally:
        bring_down(where, supervisor)


@commands.command()
def down(
    volumes: Annotated[
        bool, typer.Option("--volumes", help="Also delete all data, logs, addresses and passwords.")
    ] = False,
) -> None:
    """Stop the stack. Its data is kept, unless --volumes is given."""
    where = layout()
    if is_up(where):
        with console.status("Stopping"):
            _wait_until_down(where)
    elif not volumes:
        raise StackIsDown(f"The stack {where.name} is not up.")
    if volumes:
        delete_stack(where)
    console.print("The stack is down." if not volumes else "The stack is down, and all its data is deleted.")


@commands.command()
def status(
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")] = False,
    watch: Annotated[bool, typer.Option("--watch", help="Update the table every second, until Ctrl-C.")] = False,
) -> None:
    """Show the state, memory and restarts of every part; with --watch or --json also rates, queues and outboxes."""
    where = layout()
    if watch:
        asyncio.run(show_live_table(where))
        return
    now, figures = asyncio.run(_status_and_figures(where))
    if as_json:
        typer.echo(json.dumps(now | {"addresses": addresses(read_state(where.state)), "figures": figures}, indent=2))
    else:
        console.print(parts_table(now, notes(figures)), addresses_table(read_state(where.state)), sep="\n\n")


def _add_new_services(where: Layout, *, faultable: bool) -> None:
    """Add the services that were written since the stack started, and print its addresses.

    Raises `StackIsUp` if it runs with other settings than are requested now, or is not ready.
    """
    state = read_state(where.state)
    ignored = [f"{name}={value}" for name, value in given_settings().items() if state.settings.get(name) != value]
    if faultable and not state.proxy:
        ignored.append("--faultable")
    if ignored:
        what = f"The stack {where.name} is up already, without {', '.join(ignored)}, which is ignored."
        raise StackIsUp(what, "Restart it: ./marketplace down, then ./marketplace up -d")
    parts = asyncio.run(send_request(where.socket, {"do": "status"}))["parts"]
    if waiting := [f"{name} ({part['state']})" for name, part in parts.items() if part["state"] != "ready"]:
        what = f"The stack {where.name} is up already, but not ready: {', '.join(waiting)}."
        raise StackIsUp(what, "Show the parts: ./marketplace status. Undo faults and start parts: ./marketplace heal")
    if added := [name for name in services_of(CHECKOUT) if name not in state.services]:
        with console.status(f"Adding {', '.join(added)}"):
            asyncio.run(send_request(where.socket, {"do": "add", "services": added}))
        state = read_state(where.state)
    news = f"{', '.join(added)} added" if added else "already"
    console.print(f"The stack is up{':' if added else ''} {news}.", addresses_table(state), sep="\n")


async def _status_and_figures(where: Layout) -> tuple[Message, Message]:
    """Return the supervisor's status of the parts, and the services' own figures."""
    status = await send_request(where.socket, {"do": "status"})  # first, because it raises if the stack is down
    return status, await sample_figures(where)


def running_stack(start: str = "./marketplace up -d") -> Layout:
    """Return the layout of the chosen stack. Raises `StackIsDown`, with the command `start`, if it is not up."""
    where = layout()
    if not is_up(where):
        raise StackIsDown(f"The stack {where.name} is not up.", f"Start it: {start}")
    return where


def bring_up(where: Layout, *, stops_with_parent: bool, faultable: bool = False) -> subprocess.Popen[bytes]:
    """Install missing servers, start a supervisor, show its progress until everything is ready, and return it.

    Raises `StackIsUp` if the stack is up already, and `NotReady` if it does not become ready. In that case the
    supervisor is stopped if `stops_with_parent` is true. Otherwise it keeps running, so that one can examine it.
    If the command is interrupted, the supervisor is always stopped.
    """
    if is_up(where):
        raise StackIsUp(f"The stack {where.name} is up already.", "Show its parts: ./marketplace status")
    ensure_servers()
    _clear_faults(where)
    supervisor = start_supervisor(where, stops_with_parent=stops_with_parent, faultable=faultable)
    try:
        with console.status("Starting") as spinner:
            known_states: dict[str, str] = {}

            def on_status(status: Message) -> None:
                _print_changes(known_states, status)
                spinner.update(_waiting_for(status))

            asyncio.run(wait_until_up(where, supervisor, on_status))
    except (KeyboardInterrupt, asyncio.CancelledError):
        console.print("Interrupted before the stack was ready: stopping it.")
        bring_down(where, supervisor)
        raise
    except BaseException:
        if stops_with_parent:
            bring_down(where, supervisor)
        raise
    return supervisor


def bring_down(where: Layout, supervisor: subprocess.Popen[bytes]) -> None:
    """Stop the supervisor that this process started, and with it the stack. It is killed after 60 s."""
    with console.status("Stopping"):
        supervisor.terminate()
        try:
            supervisor.wait(DOWN_WITHIN_S)
        except subprocess.TimeoutExpired:
            print_error(f"The stack {where.name} did not stop in {DOWN_WITHIN_S} s, and is killed now.")
            supervisor.kill()


def ensure_servers() -> None:
    """Make sure that a broker and databases are available, and install them if necessary.

    Raises `NoProvider` if that is not possible.
    """
    with _server_search() as report:
        provide(required_kinds(services_of(CHECKOUT)), report)


def install_for_tests() -> None:
    """Install the servers and programs that tests need, unless this machine has them.

    RabbitMQ and PostgreSQL are installed even if Docker or given addresses could provide them.
    Raises `NoProvider` if something cannot be installed.
    """
    with _server_search() as report:
        install_missing((BROKER, POSTGRES, *map(program_kind, TEST_PROGRAMS)), report)


@contextlib.contextmanager
def _server_search() -> Iterator[Callable[[str], None]]:
    with console.status("Searching for RabbitMQ and PostgreSQL") as spinner:

        def report(step: str) -> None:
            console.print(f"{step} …")
            spinner.update(step)

        yield report


def _clear_faults(where: Layout) -> None:
    """Remove all faults, and record for the audit that they are over: no fault outlives a stack that is down."""
    if any(where.faults.glob("*.json")):
        from infra.lab.chaos import end_all_faults

        end_all_faults(where)
    if where.record.exists():
        record_start(where)


def _wait_until_down(where: Layout) -> None:
    asyncio.run(send_request(where.socket, {"do": "down"}))
    deadline = time.monotonic() + DOWN_WITHIN_S
    while is_up(where):
        if time.monotonic() > deadline:
            raise LocalError("The supervisor did not end.", f"Kill the process whose id is in {where.lock}.")
        time.sleep(0.05)


def _print_changes(known_states: dict[str, str], status: Message) -> None:
    for name, part in status["parts"].items():
        if part["state"] != known_states.get(name) and part["state"] in ("ready", "crashed"):
            console.print(f"  {name} {part['state']} {part['why']}", highlight=False)
        known_states[name] = part["state"]


def _waiting_for(status: Message) -> str:
    missing = [name for name, part in status["parts"].items() if part["state"] == "starting"]
    return f"Waiting for {', '.join(missing)}" if missing else "Declaring the broker's topology"
