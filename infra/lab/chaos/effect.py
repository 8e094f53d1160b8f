"""Begins faults, checks their effect, and undoes them."""

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
from infra.stack import Layout, LocalError, record_fault

UNAVAILABLE_ERRORS = (
    LocalError,
    OSError,
    TimeoutError,
    aiohttp.ClientError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    AMQPError,
)
"""Errors of a request to a part that is down or unreachable."""
MAX_ATTEMPTS, PAUSE_S = 4, 1.0
RELEASE_TIMEOUT_S, POLL_S = 20.0, 0.25


async def begin(site: Site, fault: Fault) -> None:
    """Record the fault in the journal and put it into effect. If that fails, undo it and raise the error.

    Raises `LocalError` if the fault needs a server that the stack does not run itself.
    """
    if (server := KINDS[fault.kind].server(fault.part)) in site.state.given:
        raise LocalError(
            f"{fault.kind} needs a {server} that the stack runs itself, but this stack was given the address of one.",
            "Start a stack without that address.",
        )
    journal = Journal(site.layout.faults)
    if not KINDS[fault.kind].outlives_process:
        site.exit_stack_of(fault.id).enter_context(journal.held(fault.id))
    journal.add(fault)
    try:
        await KINDS[fault.kind].begin(site, fault)
    except BaseException:
        await end(site, fault)
        raise


async def observe_effect(site: Site, fault: Fault) -> str:
    """Return evidence that the fault took effect, for people. Empty if there is none or the parts are unreachable."""
    try:
        return await KINDS[fault.kind].observe_effect(site, fault)
    except UNAVAILABLE_ERRORS:
        return ""


async def wait_in_effect(site: Site, fault: Fault, seconds: float) -> bool:
    """Wait `seconds`, or until another process undoes the fault. Return whether it lasted the whole time."""
    journal, until = Journal(site.layout.faults), time.monotonic() + seconds
    while is_in_effect := journal.is_in_effect(fault.id):
        left_s = until - time.monotonic()
        if left_s <= 0:
            break
        await asyncio.sleep(min(left_s, POLL_S))
    return is_in_effect


async def end(site: Site, fault: Fault, *, effect_observed: bool | None = None) -> None:
    """Undo the fault in up to `MAX_ATTEMPTS` attempts. Raises the last failure. It stays in the journal until undone.

    If another process holds the fault, that process is asked to undo it first. An undone fault is noted in the stack's
    record, for the audit. `effect_observed` is whether an effect was observed.
    """
    if not KINDS[fault.kind].outlives_process and fault.id not in site.exit_stacks:
        await _request_undo(site, fault)
    for attempt in range(MAX_ATTEMPTS):
        try:
            await KINDS[fault.kind].end(site, fault)
            break
        except UNAVAILABLE_ERRORS:
            if attempt == MAX_ATTEMPTS - 1:
                raise
            await asyncio.sleep(PAUSE_S)
    journal = Journal(site.layout.faults)
    if entry := journal.find(fault.id):
        _record_end(site.layout, entry, effect_observed)


async def _request_undo(site: Site, fault: Fault) -> None:
    """Ask the process that holds the fault to undo it, and wait until it has. A dead process holds nothing any more.

    Raises `LocalError` if the process still holds the fault after `RELEASE_TIMEOUT_S`.
    """
    journal, until = Journal(site.layout.faults), time.monotonic() + RELEASE_TIMEOUT_S
    journal.request_undo(fault.id)
    while journal.is_held(fault.id):
        if time.monotonic() > until:
            raise LocalError(f"Another process still holds {fault.kind} at {fault.part}.", "End that command.")
        await asyncio.sleep(POLL_S)


def _record_end(layout: Layout, entry: Entry, effect_observed: bool | None = None) -> None:
    record_fault(
        layout,
        entry.fault.kind,
        entry.fault.part,
        began=entry.since,
        ended=time.time(),
        effect_observed=effect_observed,
    )
    Journal(layout.faults).remove(entry.fault.id)


def record_process_faults_ended(layout: Layout, part: str) -> None:
    """Record that the process faults of a part or replica are over, because it was started or resumed by hand."""
    for entry in Journal(layout.faults).entries():
        if FAMILY.get(entry.fault.kind) == "processes" and entry.fault.part in (part, part.rpartition(".")[0]):
            _record_end(layout, entry)


def end_all_faults(layout: Layout) -> None:
    """Record that every fault is over, because the stack is down, and remove every clock skew, which would remain."""
    for clock in layout.skew_files.glob("*"):
        clock.unlink()
    for entry in Journal(layout.faults).entries():
        _record_end(layout, entry)


@contextlib.asynccontextmanager
async def in_effect(site: Site, fault: Fault) -> AsyncIterator[list[str]]:
    """Keep the fault in effect during the block, and undo it however the block ends.

    Yields a list. Evidence that the fault took effect, if any, is appended to it just before the fault is undone.
    """
    await begin(site, fault)
    evidence: list[str] = []
    try:
        yield evidence
    finally:
        await asyncio.shield(asyncio.ensure_future(_observe_and_end(site, fault, evidence)))


async def _observe_and_end(site: Site, fault: Fault, evidence: list[str]) -> None:
    try:
        evidence += filter(None, [await observe_effect(site, fault)])
    finally:
        await end(site, fault, effect_observed=bool(evidence))
