"""Decides when a process is ready for requests, and reports the state of the components that it depends on."""

import asyncio
from collections.abc import Callable

from marketplace_runtime.database import Database, is_unavailable, sqlstate
from marketplace_runtime.http import Health, Phase
from marketplace_runtime.service import metrics

MAX_STARTING_S = 5.0
"""Time after which a process is ready even if not all components are `ok`: some may be unavailable for long."""
STARTING_POLL_S, POLL_S = 0.05, 5.0
"""Interval at which the components are checked before and after the process is ready."""
PING_TIMEOUT_S = 2.0
"""Time after which the database counts as not answering."""


class Readiness:
    """Moves one process from starting to ready, and publishes the state of its components."""

    def __init__(self, database: Database, messaging_health: Callable[[], dict[str, str]]) -> None:
        self._database, self._messaging_health = database, messaging_health
        self.health = Health(self.components, Phase.STARTING)

    async def components(self) -> dict[str, str]:
        """Return the state of the database and of each component of the messaging: `ok`, or what is wrong with it."""
        return {"database": await _state_of(self._database)} | self._messaging_health()

    async def run(self) -> None:
        """Check the components, and update phase and metrics, until cancelled. Start it when requests are accepted."""
        clock = asyncio.get_running_loop().time
        deadline = clock() + MAX_STARTING_S
        while True:
            components = await self.components()
            for name, state in components.items():
                metrics.component_healthy.labels(name).set(state == "ok")
            if self.health.phase is Phase.STARTING and (set(components.values()) == {"ok"} or clock() >= deadline):
                self.health.phase = Phase.READY
            await asyncio.sleep(STARTING_POLL_S if self.health.phase is Phase.STARTING else POLL_S)


async def _state_of(database: Database) -> str:
    try:
        async with asyncio.timeout(PING_TIMEOUT_S):
            await database.probe_write()
    except Exception as error:  # noqa: BLE001 - a probe reports every error
        code = sqlstate(error)
        if code is not None:
            return f"refuses writes: SQLSTATE {code}"
        return f"no answer: {type(error).__name__}" if is_unavailable(error) else type(error).__name__
    return "ok"
