"""Putting faults into effect, and undoing them."""

import asyncio
import contextlib
import json
import time
from collections.abc import AsyncIterator

import aiohttp
import asyncpg

from infra.chaos.fault import Fault
from infra.chaos.journal import Journal
from infra.chaos.kinds import KINDS
from infra.chaos.site import Site
from infra.local import LocalError

FAILURES = (LocalError, OSError, TimeoutError, aiohttp.ClientError, asyncpg.PostgresError, asyncpg.InterfaceError)
"""What a part that is away makes of an order to it."""
ATTEMPTS, PAUSE_S = 4, 1.0
UP = ("ready", "starting")


async def begin(site: Site, fault: Fault) -> None:
    """Write the fault down and put it into effect; if that fails, it is undone and the error raised."""
    Journal(site.layout.faults).add(fault)
    try:
        await KINDS[fault.kind].begin(site, fault)
    except BaseException:
        await end(site, fault, bitten=False)
        raise


async def bite(site: Site, fault: Fault) -> str:
    """What shows that it took hold; empty if nothing does, or nothing could be asked."""
    try:
        return await KINDS[fault.kind].bite(site, fault)
    except FAILURES:
        return ""


async def end(site: Site, fault: Fault, *, bitten: bool | None = None) -> None:
    """Undo the fault, however often that takes; it stays written down until then. Raises the last failure.

    Once undone, it is noted in the stack's record, for the audit: `bitten` says whether it was seen to take hold.
    """
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
        line = {"did": "fault", "kind": fault.kind, "part": fault.part, "began": entry.since, "ended": time.time()}
        with site.layout.record.open("a", encoding="utf-8") as record:
            record.write(json.dumps(line | {"bite": bitten}) + "\n")
        journal.remove(fault.id)


@contextlib.asynccontextmanager
async def in_effect(site: Site, fault: Fault) -> AsyncIterator[list[str]]:
    """The fault, for as long as the block takes and however it ends. What it yields is filled with its bite at the end,
    if there is one."""
    await begin(site, fault)
    seen: list[str] = []
    try:
        yield seen
    finally:
        await asyncio.shield(asyncio.ensure_future(_over(site, fault, seen)))


async def _over(site: Site, fault: Fault, seen: list[str]) -> None:
    seen += filter(None, [await bite(site, fault)])
    await end(site, fault, bitten=bool(seen))


async def heal(site: Site) -> list[str]:
    """Undo every fault that is written down, and start or resume every part that is not up. Says what it did.

    Processes come first: the rest is undone through them.
    """
    done = []
    for name, part in (await site.parts()).items():
        if part["state"] not in UP:
            await site.order("start", name)
            done.append(f"{name} started, which was {part['state']}")
    for entry in Journal(site.layout.faults).entries():
        await end(site, entry.fault)
        done.append(f"{entry.fault.kind} of {entry.fault.part} undone")
    return done
