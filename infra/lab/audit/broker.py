"""Reads queue depths and bindings from the broker's management API."""

from collections import defaultdict
from collections.abc import Collection
from typing import Any

import aiohttp

from infra.lab.audit.evidence import Queue


async def read_queues(http: aiohttp.ClientSession, management: str, services: Collection[str]) -> tuple[Queue, ...]:
    """Return the queues of these services, with their depths (a few seconds old) and the event types bound to them.

    Raises KeyError for a queue without a depth: the queue was declared a moment ago, or is down.
    """
    types: dict[str, set[str]] = defaultdict(set)
    for binding in await _get(http, f"{management}/api/bindings"):
        if binding["source"].endswith(".events"):
            types[binding["destination"]].add(binding["routing_key"])
    return tuple(
        [
            Queue(
                name=queue["name"],
                ready=queue["messages_ready"],
                unacknowledged=queue["messages_unacknowledged"],
                types=frozenset(types[queue["name"]]),
            )
            for queue in await _get(http, f"{management}/api/queues")
            if queue["name"].partition(".")[0] in services
        ]
    )


async def _get(http: aiohttp.ClientSession, url: str) -> list[dict[str, Any]]:
    async with http.get(url) as answer:
        answer.raise_for_status()
        found: list[dict[str, Any]] = await answer.json()
        return found
