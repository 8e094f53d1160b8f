"""Injects faults for the duration of a block."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from infra.lab.chaos import Fault, Journal, Site, in_effect


@asynccontextmanager
async def fault_during(site: Site, kind: str, part: str, **options: float) -> AsyncIterator[Fault]:
    """Inject a fault during the block; assert that it had an effect and that its record is removed."""
    fault = Fault(kind, part, options)
    async with in_effect(site, fault) as seen:
        assert Journal(site.layout.faults).find(fault.id) is not None
        yield fault
    assert seen, f"{kind} at {part} had no visible effect"
    assert Journal(site.layout.faults).find(fault.id) is None
