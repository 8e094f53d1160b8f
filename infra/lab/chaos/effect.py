"""Putting faults into effect, and undoing them."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import aiohttp
import asyncpg
from pika.exceptions import AMQPError

from infra.lab.chaos.fault import Fault
from infra.lab.chaos.journal import Entry, Journal
from infra.lab.chaos.kinds import FAMILY, KINDS
from infra.lab.chaos.site import Site
from infra.stack import Layout, LocalError, note_fault

FAILURES = (
    LocalError,
    OSError,
    TimeoutError,
    aiohttp.ClientError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    AMQPError,
)
"""What a part that is away makes of an order to it."""
ATTEMPTS, PAUSE_S = 4, 1.0
LET_GO_WITHIN_S, POLL_S = 20.0, 0.25


async def begin(site: Site, fault: Fault) -> None:
    """Write the fault down and put it into effect; if that fails, it is undone and the error raised."""
    if (server := KINDS[fault.kind].server(fault.part)) in site.state.given:
        raise LocalError(f"{fault.kind} needs a {server} that the stack runs itself.", "This one's address was given.")
    journal = Journal(site.layout.faults)
    if not KINDS[fault.kind].lasts:
        site.hold(fault.id).enter_context(journal.held(fault.id))
    journal.add(fault)
    try:
        await KINDS[fault.kind].begin(site, fault)
    except BaseException:
        await end(site, fault)
        raise


async def bite(site: Site, fault: Fault) -> str:
    """What shows that it took hold; empty if nothing does, or nothing could be asked."""
    try:
        return await KINDS[fault.kind].bite(site, fault)
    except FAILURES:
        return ""


async def endured(site: Site, fault: Fault, seconds: float) -> bool:
    """Have it last; whether it did so all that time: elsewhere somebody may have it undone before."""
    journal, until = Journal(site.layout.faults), time.monotonic() + seconds
    while stands := journal.stands(fault.id):
        left_s = until - time.monotonic()
        if left_s <= 0:
            break
        await asyncio.sleep(min(left_s, POLL_S))
    return stands


async def end(site: Site, fault: Fault, *, bitten: bool | None = None) -> None:
    """Undo the fault, however often that takes; it stays written down until then. Raises the last failure.

    Once undone, it is noted in the stack's record, for the audit: `bitten` says whether it was seen to take hold.
    """
    if not KINDS[fault.kind].lasts and fault.id not in site.holds:
        await _called_off(site, fault)
    for attempt in range(ATTEMPTS):
        try:
            await KINDS[fault.kind].end(site, fault)
            break
        except FAILURES:
            if attempt == ATTEMPTS - 1:
                raise
            await asyncio.sleep(PAUSE_S)
    journal = Journal(site.layout.faults)
    if entry := journal.find(fault.id):
        _over(site.layout, entry, bitten)


async def _called_off(site: Site, fault: Fault) -> None:
    """Have the process that holds the fault undo it; one that is dead holds nothing any more. Raises `LocalError`."""
    journal, until = Journal(site.layout.faults), time.monotonic() + LET_GO_WITHIN_S
    journal.call_off(fault.id)
    while journal.is_held(fault.id):
        if time.monotonic() > until:
            raise LocalError(f"Whoever holds {fault.kind} at {fault.part} does not let go.", "End that command.")
        await asyncio.sleep(POLL_S)


def _over(where: Layout, entry: Entry, bitten: bool | None = None) -> None:
    note_fault(where, entry.fault.kind, entry.fault.part, began=entry.since, ended=time.time(), bite=bitten)
    Journal(where.faults).remove(entry.fault.id)


def undone_by_hand(where: Layout, part: str) -> None:
    """The part, or a replica of it, was started or resumed: what had its process down or paused is over."""
    for entry in Journal(where.faults).entries():
        if FAMILY.get(entry.fault.kind) == "processes" and entry.fault.part in (part, part.rpartition(".")[0]):
            _over(where, entry)


def forget_all(where: Layout) -> None:
    """The stack is down, and every fault with it."""
    for clock in where.clocks.glob("*"):
        clock.unlink()
    for entry in Journal(where.faults).entries():
        _over(where, entry)


@contextlib.asynccontextmanager
async def in_effect(site: Site, fault: Fault) -> AsyncIterator[list[str]]:
    """The fault, for as long as the block takes and however it ends. What it yields is filled with its bite at the end,
    if there is one."""
    await begin(site, fault)
    seen: list[str] = []
    try:
        yield seen
    finally:
        await asyncio.shield(asyncio.ensure_future(_bite_and_end(site, fault, seen)))


async def _bite_and_end(site: Site, fault: Fault, seen: list[str]) -> None:
    try:
        seen += filter(None, [await bite(site, fault)])
    finally:
        await end(site, fault, bitten=bool(seen))
