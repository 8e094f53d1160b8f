"""Implements the commands for single parts (logs, kill, start, restart, scale …), and `token` for manual requests."""

import asyncio
import re
import subprocess
import time
from enum import StrEnum
from typing import Annotated

import typer

from infra.cli.operations_client import get_token
from infra.cli.output import console, parts_table
from infra.stack import LocalError, Message, record_fault, record_parts_up, send_request
from infra.stack.layout import layout

commands = typer.Typer()
TOO_MANY_DIGITS = 10
Part = Annotated[
    str, typer.Argument(help="Name of the part: broker, outside, catalog-db, catalog, catalog.2, …", metavar="PART")
]


@commands.command()
def logs(
    part: Annotated[str | None, typer.Argument(help="Default: all parts.", metavar="PART")] = None,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Show new lines until Ctrl-C.")] = False,
) -> None:
    """Show the log of a part. Without a part, or with --follow, it begins with the last 20 lines."""
    where = layout()
    found = sorted(where.logs.glob(f"{part}.log") if part else where.logs.glob("*.log"))
    found = found or sorted(where.logs.glob(f"{part}.*.log"))
    if not found:
        known = ", ".join(sorted(path.stem for path in where.logs.glob("*.log")))
        if not known:
            raise LocalError(
                f"The stack {where.name} has no logs: it was never started.", "Start it: ./marketplace up -d"
            )
        raise LocalError(f"There is no log of {part!r}.", f"There are: {known}")
    options = ["-n", "+1" if part and not follow else "20", *(["-F"] if follow else [])]
    subprocess.run(["tail", *options, *found], check=False)  # noqa: S603, S607 - the system's own tail


@commands.command()
def kill(part: Part) -> None:
    """Kill a part (SIGKILL), as a crash would. It stays down until it is started."""
    began = time.time()
    _request({"do": "kill", "part": part}, no_op_state="killed")
    record_fault(layout(), "kill", part, began=began)


@commands.command()
def pause(part: Part) -> None:
    """Pause a part (SIGSTOP): it keeps its connections, but does not answer."""
    began = time.time()
    _request({"do": "pause", "part": part})
    record_fault(layout(), "pause", part, began=began)


@commands.command()
def resume(part: Part) -> None:
    """Resume a paused part."""
    _request({"do": "resume", "part": part}, no_op_state="ready")
    _record_up(part)


@commands.command()
def start(part: Part) -> None:
    """Start a part that is down, and wait until it is ready."""
    _request({"do": "start", "part": part}, no_op_state="ready")
    _record_up(part)


@commands.command()
def restart(part: Part) -> None:
    """Stop a part gracefully, start it again, and wait until it is ready. Replicas are restarted one by one."""
    began = time.time()
    _request({"do": "restart", "part": part})
    _record_up(part)
    record_fault(layout(), "restart", part, began=began, ended=time.time())


@commands.command()
def scale(what: Annotated[str, typer.Argument(metavar="SERVICE=N")]) -> None:
    """Run N replicas of a service, 1 to 16, which compete for its messages."""
    service, _, number = what.partition("=")
    if not (service and number.removeprefix("-").isdecimal() and len(number) < TOO_MANY_DIGITS):
        raise typer.BadParameter("write it as SERVICE=N, such as delivery=3")
    where = layout()
    before = asyncio.run(send_request(where.socket, {"do": "status"}))["parts"]
    now = _request({"do": "scale", "service": service, "replicas": int(number)})["parts"]
    record_parts_up(where, [name for name in before if name not in now])  # a removed replica is no longer down


class Role(StrEnum):
    SELLER = "seller"
    OPERATOR = "operator"


def _subject(sub: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9._-]{1,64}", sub):
        raise typer.BadParameter("use 1 to 64 letters, digits, dots, hyphens and underscores")
    return sub


@commands.command()
def token(
    sub: Annotated[str, typer.Option(help="Subject of the token: the customer's id.", callback=_subject)],
    role: Annotated[list[Role] | None, typer.Option(help="Role of the user. Can be repeated.")] = None,
) -> None:
    """Print a bearer token of the local issuer, for curl."""
    typer.echo(get_token(sub, [each.value for each in role or []]))


def _record_up(part: str) -> None:
    """Record for the audit that the faults which had stopped or paused the part are over."""
    where = layout()
    record_parts_up(where, [part])
    if any(where.faults.glob("*.json")):
        from infra.lab.chaos import record_process_faults_ended

        record_process_faults_ended(where, part)


def _request(request: Message, *, no_op_state: str = "") -> Message:
    """Send a request to the supervisor, print the state of all parts, and return the status.

    Also prints that nothing was done, if every part concerned was in the state `no_op_state` before the request.
    """
    where = layout()
    what = request.get("part", request.get("service"))
    with console.status(f"{request['do']} {what}"):
        before = asyncio.run(send_request(where.socket, {"do": "status"}))["parts"]
        now = asyncio.run(send_request(where.socket, request))
    console.print(parts_table(now))
    states_before = {part["state"] for name, part in before.items() if name == what or name.startswith(f"{what}.")}
    if no_op_state and states_before == {no_op_state}:
        console.print(f"{what} was {no_op_state} already: nothing was changed.")
    return now
