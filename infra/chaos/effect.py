"""Putting faults into effect, and undoing them."""

import asyncio
import contextlib
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
    journal = Journal(site.layout.faults)
    journal.add(fault)
    try:
        await KINDS[fault.kind].begin(site, fault)
    except BaseException:
        await end(site, fault)
        raise
    if KINDS[fault.kind].momentary:
        journal.remove(fault.id)


async def bite(site: Site, fault: Fault) -> str:
    """What shows that it took hold; empty if nothing does, or nothing could be asked."""
    try:
        return await KINDS[fault.kind].bite(site, fault)
    except FAILURES:
        return ""


async def end(site: Site, fault: Fault) -> None:
    """Undo the fault, however often that takes; it stays written down until then. Raises the last failure."""
    for attempt in range(ATTEMPTS):
        try:
            await KINDS[fault.kind].end(site, fault)
            break
        except FAILURES:
            if attempt == ATTEMPTS - 1:
                raise
            await asyncio.sleep(PAUSE_S)
    Journal(site.layout.faults).remove(fault.id)


@contextlib.asynccontextmanager
async def in_effect(site: Site, fault: Fault) -> AsyncIterator[None]:
    """The fault, for as long as the block takes and however it ends."""
    await begin(site, fault)
    try:
        yield
    finally:
        await asyncio.shield(asyncio.ensure_future(end(site, fault)))


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
