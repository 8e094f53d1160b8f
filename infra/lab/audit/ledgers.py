"""Reads the records of the outside world: the ledgers of payment providers and carriers, and the mail sink."""

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Any

import aiohttp

from infra.lab.audit.evidence import CarrierEntry, Mail, PaymentEntry

LEDGER_NAMES = ("a", "b")
"""Names of the two payment providers, and also of the two carriers."""
PAGE_SIZE = 1000


async def read_payments(http: aiohttp.ClientSession, outside: str) -> tuple[PaymentEntry, ...]:
    """Return all entries of both payment providers' ledgers."""
    return tuple(
        [
            PaymentEntry(
                seq=entry["seq"],
                provider=which,
                kind=entry["kind"],
                # the void of a key that was never charged has no order id, but its key is `order id:provider`
                order_id=entry["order_id"] or entry["key"].rpartition(":")[0],
                amount=entry["amount"],
                currency=entry["currency"],
            )
            for which in LEDGER_NAMES
            async for entry in _entries(http, f"{outside}/payments/{which}/ledger")
        ]
    )


async def read_parcels(http: aiohttp.ClientSession, outside: str) -> tuple[CarrierEntry, ...]:
    """Return all entries of both carriers' ledgers."""
    return tuple(
        [
            CarrierEntry(
                seq=entry["seq"], carrier=which, kind=entry["kind"], key=entry["key"], order_id=entry["order_id"]
            )
            for which in LEDGER_NAMES
            async for entry in _entries(http, f"{outside}/carriers/{which}/ledger")
        ]
    )


async def read_mails(http: aiohttp.ClientSession, outside: str) -> tuple[Mail, ...]:
    """Return every mail that arrived."""
    found: list[Mail] = []
    after = 0
    while True:
        page = await _get(http, f"{outside}/mail/messages", after)
        for each in page["messages"]:
            after = each["seq"]
            at = datetime.fromisoformat(each["received_at"])
            found.append(Mail(each["about"], each["kind"], each["to"], at, each["text"] or ""))
        if not page["messages"]:
            return tuple(found)


async def _entries(http: aiohttp.ClientSession, url: str) -> AsyncIterator[dict[str, Any]]:
    after: int | None = 0
    while after is not None:
        page = await _get(http, url, after)
        for entry in page["entries"]:
            yield entry
        after = page["next"]


async def _get(http: aiohttp.ClientSession, url: str, after: int) -> dict[str, Any]:
    async with http.get(url, params={"after": str(after), "limit": str(PAGE_SIZE)}) as answer:
        answer.raise_for_status()
        found: dict[str, Any] = await answer.json()
        return found
