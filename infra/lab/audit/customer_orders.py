"""Reads what customers see: their orders, over checkout's public API, with a token for each customer."""

import asyncio
from collections.abc import Collection

import aiohttp

from infra.lab.audit.evidence import Row

MAX_CONCURRENT_READS = 8
PAGE_SIZE = "100"


async def read_customer_orders(
    http: aiohttp.ClientSession, issuer: str, checkout: str, customers: Collection[str]
) -> dict[str, Row]:
    """Return every order of these customers, by its id."""
    shown: dict[str, Row] = {}
    remaining = iter(sorted(customers))

    async def read_next() -> None:
        for customer in remaining:
            shown.update(await _orders(http, checkout, await _token(http, issuer, customer)))

    async with asyncio.TaskGroup() as workers:
        for _ in range(MAX_CONCURRENT_READS):
            workers.create_task(read_next())
    return shown


async def _orders(http: aiohttp.ClientSession, checkout: str, token: str) -> dict[str, Row]:
    found: dict[str, Row] = {}
    query = {"limit": PAGE_SIZE}
    while True:
        headers = {"Authorization": f"Bearer {token}"}
        async with http.get(f"{checkout}/orders", params=query, headers=headers) as answer:
            answer.raise_for_status()
            page = await answer.json()
        found.update({each["order_id"]: each for each in page["items"]})
        if page.get("next_cursor") is None:
            return found
        query["cursor"] = page["next_cursor"]


async def _token(http: aiohttp.ClientSession, issuer: str, customer: str) -> str:
    async with http.post(f"{issuer}/token", json={"sub": customer, "roles": [], "ttl_s": 300}) as answer:
        answer.raise_for_status()
        granted: str = (await answer.json())["access_token"]
        return granted
