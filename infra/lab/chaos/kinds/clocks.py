"""The fault of a service whose clock is wrong."""

import time
from collections.abc import Sequence
from email.utils import parsedate_to_datetime

from infra.lab.chaos.fault import Fault, Kind, ResourceNeeds
from infra.lab.chaos.site import Site
from infra.stack import find_library, set_skew

MIN_OBSERVABLE_SKEW_S = 2.0
"""Minimum skew in seconds that can be observed, because the `Date` header has whole seconds only."""


class SkewedClock(Kind):
    """Restarts every replica of a service with a wrong time of day."""

    name = "skewed-clock"
    about = "A service runs with a wrong clock, as after a failure of its machine's time synchronisation."
    duration_range_s = (10.0, 20.0)
    min_run_s = 45.0

    @property
    def defaults(self) -> dict[str, float]:
        return {"ahead_s": 45}

    def parts(self, services: Sequence[str]) -> list[str]:
        return list(services)

    def random_parts(self, services: Sequence[str]) -> list[str]:
        """Return every service, or none if libfaketime is not installed."""
        return self.parts(services) if find_library() else []

    def needed_resources(self, part: str) -> ResourceNeeds:
        return ResourceNeeds(exclusive=frozenset({part}))

    async def begin(self, site: Site, fault: Fault) -> None:
        set_skew(site.layout.skew_file(fault.part), self.option(fault, "ahead_s"))
        await site.send_command("restart", fault.part)

    async def observe_effect(self, site: Site, fault: Fault) -> str:
        for replica, url in site.state.services[fault.part].ops.items():
            async with site.http.get(f"{url}/livez") as answer:
                ahead_s = parsedate_to_datetime(answer.headers["Date"]).timestamp() - time.time()
            if abs(ahead_s) >= MIN_OBSERVABLE_SKEW_S:
                return f"the clock of {replica} is {ahead_s:+.0f} s ahead"
        return ""

    async def end(self, site: Site, fault: Fault) -> None:
        site.layout.skew_file(fault.part).unlink(missing_ok=True)
        await site.send_command("restart", fault.part)


KINDS = (SkewedClock(),)
