"""The admin step: declare the topology through RabbitMQ's management API and check what came of it."""

import asyncio
from typing import Any

import aiohttp

from infra.messaging.errors import TopologyDiffers
from infra.messaging.topology import Definitions, differences

READY_S = 30.0
SETTLE_S = 10.0
POLL_S = 0.25
KINDS = ("exchanges", "queues", "bindings", "policies", "permissions")


async def declare(management_url: str, wanted: Definitions) -> None:
    """Import `wanted` and wait until the broker has it.

    `management_url` carries an administrator's name and password. Safe to repeat. Raises `TopologyDiffers`
    if something stays different: a changed argument needs a queue under another name.
    """
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
        await _ready(session, management_url)
        for part in _users_last(wanted):
            async with session.post(f"{management_url}/api/definitions", json=part) as answer:
                if answer.status not in (200, 201, 204):
                    raise TopologyDiffers(f"the broker refused the import: {answer.status} {await answer.text()}")
        lines = ["nothing compared"]
        async with asyncio.timeout(SETTLE_S):
            while lines:
                lines = differences(wanted, await live(session, management_url))
                if any(line.endswith("missing") for line in lines):
                    await asyncio.sleep(POLL_S)  # the management API lists new things a moment late
                elif lines:
                    raise TopologyDiffers("; ".join(lines))


async def live(session: aiohttp.ClientSession, management_url: str) -> Definitions:
    """What the broker has now, in the same form as definitions."""
    found: dict[str, Any] = {}
    for kind in KINDS:
        async with session.get(f"{management_url}/api/{kind}") as answer:
            answer.raise_for_status()
            found[kind] = await answer.json()
    return found


def _users_last(wanted: Definitions) -> list[Definitions]:
    """In two parts, so that nobody publishes to an exchange whose queues are not bound yet: it would be lost."""
    users = {kind: wanted[kind] for kind in ("users", "permissions")}
    return [{kind: each for kind, each in wanted.items() if kind not in users}, users]


async def _ready(session: aiohttp.ClientSession, management_url: str) -> None:
    async with asyncio.timeout(READY_S):
        while True:
            try:
                async with session.get(f"{management_url}/api/vhosts") as answer:
                    if answer.status == 200:
                        return
                    if answer.status == 401:
                        raise TopologyDiffers("the broker refused the administrator's name or password")
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(POLL_S)
