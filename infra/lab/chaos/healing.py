"""Undoes every fault and starts every part that is down, whatever process broke it."""

import asyncio

from infra.lab.chaos.effect import end
from infra.lab.chaos.journal import Entry, Journal
from infra.lab.chaos.site import Site
from infra.stack import record_parts_up

UP_STATES = ("ready", "starting")


async def heal(site: Site) -> list[str]:
    """Undo every fault in the journal, and start or resume every part that is not up. Returns what it did, for people.

    Parts are started first, because other faults are undone through them. But a part may become ready only after a
    fault is undone. So faults are undone while parts start, and those that fail are tried again when all have started.
    Raises the first failure, after everything else was tried.
    """
    down = {name: str(part["state"]) for name, part in (await site.parts()).items() if part["state"] not in UP_STATES}
    starting = [asyncio.ensure_future(site.send_command("start", name)) for name in down]
    entries = Journal(site.layout.faults).entries()
    left = [entry for entry in entries if await _try_to_end(site, entry)]
    started = await asyncio.gather(*starting, return_exceptions=True)
    record_parts_up(site.layout, [name for name, failure in zip(down, started, strict=True) if failure is None])
    for failure in filter(None, [*[await _try_to_end(site, entry) for entry in left], *started]):
        raise failure
    return [
        *(f"{name} started (it was {state})" for name, state in down.items()),
        *(f"{entry.fault.kind} of {entry.fault.part} undone" for entry in entries),
    ]


async def _try_to_end(site: Site, entry: Entry) -> Exception | None:
    """Undo the fault. Returns the error if that fails."""
    try:
        await end(site, entry.fault)
    except Exception as error:  # noqa: BLE001 - the caller raises it after everything else was tried
        return error
    return None
