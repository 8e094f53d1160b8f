"""Undoing everything at once, whatever was broken and by whom."""

import asyncio

from infra.lab.chaos.effect import end
from infra.lab.chaos.journal import Entry, Journal
from infra.lab.chaos.site import Site
from infra.stack import note_healed

UP = ("ready", "starting")


async def heal(site: Site) -> list[str]:
    """Undo every fault that is written down, and start or resume every part that is not up. Says what it did.

    Parts are set going at once, for the rest is undone through them, but may need that to become ready. What could
    not be undone so is tried again when they are. Raises the first failure, after all else was done.
    """
    down = {name: str(part["state"]) for name, part in (await site.parts()).items() if part["state"] not in UP}
    starting = [asyncio.ensure_future(site.order("start", name)) for name in down]
    entries = Journal(site.layout.faults).entries()
    left = [entry for entry in entries if await _failure(site, entry)]
    started = await asyncio.gather(*starting, return_exceptions=True)
    note_healed(site.layout, [name for name, failure in zip(down, started, strict=True) if failure is None])
    for failure in filter(None, [*[await _failure(site, entry) for entry in left], *started]):
        raise failure
    return [
        *(f"{name} started, which was {state}" for name, state in down.items()),
        *(f"{entry.fault.kind} of {entry.fault.part} undone" for entry in entries),
    ]


async def _failure(site: Site, entry: Entry) -> Exception | None:
    try:
        await end(site, entry.fault)
    except Exception as error:  # noqa: BLE001 - raised when all else was done
        return error
    return None
