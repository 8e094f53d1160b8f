"""Implements `republish`, which publishes the events of the last 7 days again after the broker lost its data."""

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

import typer

from infra.cli.output import console, pluralized, print_error
from infra.cli.stack import running_stack
from infra.cli.times import parse_time
from infra.stack import LocalError, StackState, read_state

if TYPE_CHECKING:  # imports an HTTP client, which would delay the other commands
    from infra.cli.retrying_client import RetryingOperationsClient

commands = typer.Typer()
PATH = "/ops/republish"
POLL_S = 0.2
STALL_TIMEOUT_S = 60.0
MAX_PENDING_BEFORE_NEXT_CHUNK = 2000
"""Number of waiting events at or below which the next chunk is queued. So new events never wait behind all old ones."""


@commands.command()
def republish(
    service: Annotated[list[str] | None, typer.Option(help="Only events of this service. Can be repeated.")] = None,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=parse_time,
            metavar="T",
            help="Only events since this time (2h ago, or a time). Default: the last 6 days and 23 hours.",
        ),
    ] = None,
) -> None:
    """Publish events of the last 7 days again, under the same ids, after the broker lost its data.

    Consumers recognise the events that they have handled, so this can be interrupted and repeated at any time.
    """
    state = read_state(running_stack().state)
    if unknown_services := set(service or ()) - state.services.keys():
        raise LocalError(f"There is no service {min(unknown_services)!r}.", f"Services: {', '.join(state.services)}")
    with console.status("Republishing") as spinner:
        failed = asyncio.run(_republish(state, service or list(state.services), since, spinner.update))
    raise typer.Exit(int(failed))


async def _republish(
    state: StackState, services: list[str], since: datetime | None, show_progress: Callable[[str], None]
) -> bool:
    """Republish the events of all services in parallel, and return whether one failed.

    Reports a failure, and continues with the other services.
    """
    from infra.cli.retrying_client import retrying_client

    async def republish_one(republishing: _Republishing) -> bool:
        try:
            await republishing.run(since, lambda: show_progress("Republished: " + ", ".join(map(str, republishings))))
        except LocalError as error:
            print_error(
                f"{republishing.service}: {pluralized(republishing.queued, 'event')} queued. {error}", error.remedy
            )
            return True
        console.print(f"{republishing.service}: {pluralized(republishing.queued, 'event')} published again")
        return False

    async with retrying_client(state) as client:
        republishings = [_Republishing(client, name) for name in services]
        return any(await asyncio.gather(*map(republish_one, republishings)))


@dataclass
class _Republishing:
    """The progress of one service."""

    client: "RetryingOperationsClient"
    service: str
    queued: int = 0
    waiting: int = 0

    def __str__(self) -> str:
        return f"{self.service} {self.queued:,} ({self.waiting:,} pending)"

    async def run(self, since: datetime | None, on_progress: Callable[[], None]) -> None:
        """Queue the events chunk by chunk, each when most of the previous chunk has been published.

        Raises `LocalError` if the service refuses or does not answer, or the broker takes no events for a minute.
        """
        span = {"until": datetime.now(UTC).isoformat(), "since": since.isoformat() if since else None, "after": None}
        while True:
            chunk = await self.client.request(self.service, "POST", PATH, json=span)
            self.queued += chunk["events"]
            span["after"] = chunk["after"]
            await self._wait_until_published(
                chunk["last"],
                max_pending=MAX_PENDING_BEFORE_NEXT_CHUNK if span["after"] else 0,
                on_progress=on_progress,
            )
            if span["after"] is None:
                return

    async def _wait_until_published(self, last: int, *, max_pending: int, on_progress: Callable[[], None]) -> None:
        """Wait until at most `max_pending` events, up to the sequence number `last`, are unpublished.

        Raises `LocalError` if their number has not decreased for 60 s.
        """
        lowest, lowest_at = None, time.monotonic()
        while True:
            answer = await self.client.request(self.service, "GET", PATH, last=str(last))
            self.waiting = answer["waiting"]
            on_progress()
            if self.waiting <= max_pending:
                return
            if lowest is None or self.waiting < lowest:
                lowest, lowest_at = self.waiting, time.monotonic()
            elif time.monotonic() - lowest_at > STALL_TIMEOUT_S:
                raise LocalError(
                    f"{self.waiting:,} are pending, and the broker has confirmed none for {STALL_TIMEOUT_S:.0f} s.",
                    "If it is down: ./marketplace start broker. Queued events are then published without this command.",
                )
            await asyncio.sleep(POLL_S)
