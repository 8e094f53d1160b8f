"""Faults for the length of a block."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from infra.lab.chaos import Fault, Journal, Site, in_effect


@asynccontextmanager
async def suffering(site: Site, kind: str, part: str, **options: float) -> AsyncIterator[Fault]:
    """The fault during the block; it must have been seen to bite, and be forgotten afterwards."""
    fault = Fault(kind, part, options)
    async with in_effect(site, fault) as seen:
        assert Journal(site.layout.faults).find(fault.id) is not None
        yield fault
    assert seen, f"nothing was seen of {kind} at {part}"
    assert Journal(site.layout.faults).find(fault.id) is None
