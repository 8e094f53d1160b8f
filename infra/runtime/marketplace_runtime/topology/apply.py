"""Declares the topology as an administrator, through RabbitMQ's management API, and checks the result."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import quote

import aiohttp

from marketplace_runtime.topology.declaration import VHOST, Definitions
from marketplace_runtime.topology.plan import Difference, differences, format_plan

READY_TIMEOUT_S = 30.0
IMPORT_TIMEOUT_S = 10.0
POLL_S = 0.25
_VHOST = quote(VHOST, safe="")
LIST_PATHS = {
    "users": "users",
    "permissions": f"vhosts/{_VHOST}/permissions",
    "exchanges": f"exchanges/{_VHOST}",
    "queues": f"queues/{_VHOST}",
    "bindings": f"bindings/{_VHOST}",
    "policies": f"policies/{_VHOST}",
}
"""Paths of the management API that list each kind of object."""


class TopologyError(Exception):
    """The broker differs from what the services' tables require, or its management API refuses or does not answer.

    The message says what is wrong and, for differences, what to do.
    """


async def declare(management_url: str, wanted: Definitions) -> None:
    """Import `wanted` and wait until the broker has it.

    `management_url` contains an administrator's name and password. Safe to repeat. Raises `TopologyError` with the
    plan, and changes nothing, if there is a difference that an import would not remove. Raises it also if differences
    are left after the import.
    """
    async with _admin_session(management_url) as session:
        blocking = [each for each in differences(wanted, await read_definitions(session)) if not each.can_be_declared]
        if blocking:
            raise TopologyError(f"The broker differs from the services' tables.\n{format_plan(blocking)}")
        left = await _import(session, wanted)
        if left:
            raise TopologyError(f"The broker still differs after the import.\n{format_plan(left)}")


async def compare(management_url: str, wanted: Definitions) -> list[Difference]:
    """Return how the broker differs from `wanted`."""
    async with _admin_session(management_url) as session:
        return differences(wanted, await read_definitions(session))


async def apply(management_url: str, wanted: Definitions) -> list[Difference]:
    """Import `wanted`, and remove surplus bindings. Returns the differences that an operator has to remove."""
    async with _admin_session(management_url) as session:
        for each in await _import(session, wanted):
            if each.surplus is not None:
                await _unbind(session, each.surplus)
        return await _wait_until_complete(session, wanted)


async def read_definitions(session: aiohttp.ClientSession) -> Definitions:
    """Return what the broker has now, in the form of definitions."""
    found: dict[str, Any] = {}
    for kind, path in LIST_PATHS.items():
        async with session.get(f"api/{path}") as answer:
            answer.raise_for_status()
            found[kind] = await answer.json()
    return found


async def _import(session: aiohttp.ClientSession, wanted: Definitions) -> list[Difference]:
    for part in _split_users_last(wanted):
        async with session.post("api/definitions", json=part) as answer:
            if answer.status not in (200, 201, 204):
                raise TopologyError(f"The broker refused the import: {answer.status} {await answer.text()}")
    return await _wait_until_complete(session, wanted)


def _split_users_last(wanted: Definitions) -> list[Definitions]:
    """Split the definitions into two imports, users last.

    So no service publishes to an exchange whose queues are not bound yet, where the message would be lost.
    """
    users = {kind: wanted[kind] for kind in ("users", "permissions")}
    return [{kind: each for kind, each in wanted.items() if kind not in users}, users]


async def _wait_until_complete(session: aiohttp.ClientSession, wanted: Definitions) -> list[Difference]:
    """Return the differences once nothing is missing, or after `IMPORT_TIMEOUT_S`.

    The management API lists new objects with a delay.
    """
    deadline = asyncio.get_running_loop().time() + IMPORT_TIMEOUT_S
    while True:
        found = differences(wanted, await read_definitions(session))
        if not any(each.is_missing for each in found) or asyncio.get_running_loop().time() > deadline:
            return found
        await asyncio.sleep(POLL_S)


async def _unbind(session: aiohttp.ClientSession, binding: Any) -> None:
    source, kind, destination = binding["source"], binding["destination_type"][0], binding["destination"]
    names = [quote(each, safe="") for each in (source, destination, binding["properties_key"])]
    path = f"api/bindings/{_VHOST}/e/{names[0]}/{kind}/{names[1]}/{names[2]}"
    async with session.delete(path) as answer:
        if answer.status not in (204, 404):
            raise TopologyError(f"The broker refused to unbind {destination}: {answer.status} {await answer.text()}")


@asynccontextmanager
async def _admin_session(management_url: str) -> AsyncIterator[aiohttp.ClientSession]:
    """Open a session with the management API, once that answers."""
    timeout = aiohttp.ClientTimeout(total=10)
    async with aiohttp.ClientSession(f"{management_url.rstrip('/')}/", timeout=timeout) as session:
        try:
            await _wait_until_ready(session)
        except TimeoutError:
            raise TopologyError(
                f"The broker's management API does not answer within {READY_TIMEOUT_S:.0f} s."
            ) from None
        yield session


async def _wait_until_ready(session: aiohttp.ClientSession) -> None:
    async with asyncio.timeout(READY_TIMEOUT_S):
        while True:
            try:
                async with session.get("api/vhosts") as answer:
                    if answer.status == 200:
                        return
                    if answer.status == 401:
                        raise TopologyError("The broker refused the administrator's name or password.")
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(POLL_S)
