"""Implements the `replay` commands. The service itself replays events from the log stream to a subscription."""

import time
from contextlib import suppress
from datetime import datetime
from typing import Annotated, Any
from uuid import uuid4

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from infra.cli.operations_client import OperationsClient
from infra.cli.output import console, duration, pluralized, print_error
from infra.cli.times import parse_time
from infra.stack import LocalError

commands = typer.Typer()
replay = typer.Typer()
commands.add_typer(replay, name="replay")

POLL_S = 0.3
TARGET = "SERVICE[.SUBSCRIPTION]"
FIRST = "first"
JsonObject = dict[str, Any]
"""A JSON object of the operations API: a replay, or a part of a request."""
Target = Annotated[
    str, typer.Argument(help="The subscription, as listed by `replay ls`.", metavar="SERVICE.SUBSCRIPTION")
]


@replay.callback(invoke_without_command=True)
def begin(
    context: typer.Context,
    to: Annotated[str | None, typer.Option(help="Subscription to replay to.", metavar=TARGET)] = None,
    since: Annotated[
        str,
        typer.Option(
            "--from",
            help="Start: 2h ago, a time, an offset in the log stream, or its first event.",
            metavar="2h|first|N",
        ),
    ] = FIRST,
    events: Annotated[
        str, typer.Option(help="Shell pattern of event types, such as 'order-*'.", metavar="PATTERN")
    ] = "*",
    rate: Annotated[int | None, typer.Option(help="Maximum events per second.", min=1, max=100_000)] = None,
) -> None:
    """Replay published events from the log stream to a subscription, in order. It skips those that it has handled.

    The service carries the replay out, and continues it after a crash. Ctrl-C only ends the display of its progress.
    """
    if context.invoked_subcommand is not None:
        return
    if to is None:
        raise typer.BadParameter(f"give a subscription: --to {TARGET}; or list the replays: `replay ls`")
    service, dot, name = to.partition(".")
    if not service or "." in name or (dot and not name):
        raise typer.BadParameter(f"{to!r}: write it as {TARGET}", param_hint="'--to'")
    body = {"id": str(uuid4()), "to": name or None, "events": events, "rate": rate, **_start_position(since)}
    client = OperationsClient()
    row = client.request("POST", service, "history", body)
    try:
        _print_outcome(service, _show_progress(client, service, row))
    except KeyboardInterrupt:
        target = f"{service}.{row['subscription']}"
        console.print(
            f"The replay continues. To follow or end it: ./marketplace replay watch | stop {target}", highlight=False
        )
        raise


@replay.command("ls")
def list_replays() -> None:
    """List the latest replay of each subscription, and its progress."""
    client = OperationsClient()
    table = Table(Column("subscription", no_wrap=True), box=None, pad_edge=False, header_style="bold")
    for heading in ("state", "read", "handed over", "handled before", "left out", "age", ""):
        table.add_column(
            heading, justify="right" if heading in ("handed over", "handled before", "left out") else "left"
        )
    is_incomplete = False
    for service in client.services:
        try:
            found = client.request("GET", service, "history")["items"]
        except LocalError as error:
            print_error(str(error), error.remedy)
            is_incomplete = True
            continue
        for row in found:
            done, total = _progress_of(row)
            table.add_row(
                f"{service}.{row['subscription']}",
                row["state"],
                f"{done:,} of {total:,}",
                f"{row['handed']:,}",
                f"{row['known']:,}",
                f"{row['refused'] + row['too_old']:,}",
                duration(time.time() - datetime.fromisoformat(row["asked_at"]).timestamp()),
                row["why"] or ("live events wait" if row["holds"] and row["state"] == "running" else ""),
            )
    console.print(table if table.row_count else "There has been no replay.")
    if is_incomplete:
        raise typer.Exit(1)


@replay.command()
def watch(target: Target) -> None:
    """Show the progress of a subscription's latest replay until it has ended."""
    service, name = _split(target)
    client = OperationsClient()
    found = [row for row in client.request("GET", service, "history")["items"] if row["subscription"] == name]
    if not found:
        raise LocalError(
            f"There was no replay to {target}.",
            f"`./marketplace events map` lists the subscriptions. To begin one: ./marketplace replay --to {target}",
        )
    _print_outcome(service, _show_progress(client, service, found[0]))


@replay.command()
def stop(target: Target) -> None:
    """Stop a running replay. Events that the subscription has handled remain handled."""
    service, name = _split(target)
    _print_outcome(service, OperationsClient().request("DELETE", service, f"history/{name}"))


def _split(target: str) -> tuple[str, str]:
    service, _, name = target.partition(".")
    if not name:
        raise typer.BadParameter("write it as SERVICE.SUBSCRIPTION, as listed by `replay ls`")
    return service, name


def _start_position(text: str) -> JsonObject:
    if text == FIRST:
        return {}
    if text.isdecimal():
        return {"offset": int(text)}
    try:
        return {"since": parse_time(text).isoformat()}
    except typer.BadParameter as error:
        raise typer.BadParameter(
            f"{error.message}. `first` or an offset is possible, too", param_hint="'--from'"
        ) from None


def _show_progress(client: OperationsClient, service: str, row: JsonObject) -> JsonObject:
    """Show the progress of a replay until it has ended, and return its last description.

    Requests to the service are repeated while it does not answer.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task(f"{service}.{row['subscription']}", total=None, rate="")
        began, handed = time.monotonic(), row["handed"]
        while row["state"] == "running":
            time.sleep(POLL_S)
            try:
                found = client.request("GET", service, "history")["items"]
            except LocalError as error:  # it does not answer, or the token has expired after an hour
                progress.update(bar, rate=str(error))
                with suppress(LocalError):
                    client = OperationsClient()
                continue
            row = next(each for each in found if each["subscription"] == row["subscription"])
            done, total = _progress_of(row)
            rate = f"{(row['handed'] - handed) / (time.monotonic() - began):,.0f} events/s"
            progress.update(bar, completed=done, total=total or None, rate=row["why"] or rate)
    return row


def _progress_of(row: JsonObject) -> tuple[int, int]:
    """Return how many messages of the log stream were read, and how many are to be read in total."""
    if row["through"] is None or row["begun"] is None:
        return 0, 0
    end = row["through"] + 1
    return min(row["next"], end) - row["begun"], max(end - row["begun"], 0)


def _print_outcome(service: str, row: JsonObject) -> None:
    """Print the outcome of a replay. Raises `LocalError` if it failed."""
    name = f"{service}.{row['subscription']}"
    if row["state"] == "failed":
        raise LocalError(f"The replay to {name} failed: {row['why']}")
    done = f"{pluralized(row['handed'], 'event')} handed over, {row['known']:,} skipped as handled before."
    left_out = f" {pluralized(row['refused'], 'event')} skipped as not valid, or not published by their owner."
    console.print(f"{name}: {row['state']}. {done}{left_out if row['refused'] else ''}", highlight=False)
    if row["too_old"]:
        console.print(f"{row['too_old']:,} skipped as too old to check whether they were handled before.")
