"""Two payment providers: they charge, void and refund by idempotency key.

The ledger entries of a key add up to the money that the provider holds: captures minus refunds minus voids. The amount
of a void is what it gave back: 0 if nothing had been captured or it had been refunded.
"""

import sqlite3
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from infra.lab.stand_ins.dials import Dials, RequestFaults
from infra.lab.stand_ins.keys import After, KeyHeader, KeyPath, Limit, RequestsInProgress, Which, fingerprint
from infra.lab.stand_ins.ledger import Ledger, append_entry, entries_page
from infra.lab.stand_ins.problems import Problem

SCHEMA = """
CREATE TABLE IF NOT EXISTS charges (
    part TEXT NOT NULL, key TEXT NOT NULL, body TEXT, order_id TEXT, amount INTEGER, currency TEXT,
    state TEXT NOT NULL CHECK (state IN ('captured', 'declined', 'refunded', 'voided')),
    captured INTEGER NOT NULL,
    PRIMARY KEY (part, key)
) STRICT, WITHOUT ROWID;
"""


class Charge(BaseModel):
    """A request to charge an amount for an order at once."""

    model_config = ConfigDict(extra="forbid", strict=True)

    order_id: Annotated[str, Field(min_length=1, max_length=64)]
    amount: Annotated[int, Field(ge=1, lt=2**53)]
    """Amount in minor units of the currency."""
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")]


def capture(
    connection: sqlite3.Connection, part: str, key: str, charge: Charge, *, fails: bool, declined: bool
) -> tuple[str, bool]:
    """Charges once per key. Returns "captured" or "declined", and whether this is the answer of an earlier request.

    `fails` is whether the dial makes this request fail. It has no effect on a key that was used already: the answer
    "not charged" could be untrue. Raises `Problem` if the key is voided or was used with another body, or if the charge
    fails.
    """
    row = _charge(connection, part, key)
    if row is not None:
        if row["state"] == "voided":
            raise Problem(409, "payments:voided", "This key was voided: it can never be charged.")
        if row["body"] != fingerprint(charge):
            raise Problem(422, "payments:key-reused", "This key was used with another body.")
        return ("captured" if row["captured"] else "declined"), True
    if fails:
        raise Problem(503, "payments:not-charged", "The provider did not charge. Retry, or use the other provider.")
    state = "declined" if declined else "captured"
    connection.execute(
        "INSERT INTO charges VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (
            part,
            key,
            fingerprint(charge),
            charge.order_id,
            charge.amount,
            charge.currency,
            state,
            not declined,
        ),
    )
    kind = "decline" if declined else "capture"
    append_entry(connection, part, _entry(kind, key, charge.order_id, charge.amount, charge.currency))
    return state, False


def void(connection: sqlite3.Connection, part: str, key: str) -> bool:
    """Closes the key for ever, and gives back what it charged. Returns whether anything was ever captured under it."""
    row = _charge(connection, part, key)
    if row is None:
        connection.execute("INSERT INTO charges (part, key, state, captured) VALUES (?, ?, 'voided', 0)", (part, key))
        append_entry(connection, part, _entry("void", key, None, 0, None))
        return False
    if row["state"] != "voided":
        connection.execute("UPDATE charges SET state = 'voided' WHERE part = ? AND key = ?", (part, key))
        given_back = row["amount"] if row["state"] == "captured" else 0
        append_entry(connection, part, _entry("void", key, row["order_id"], given_back, row["currency"]))
    return bool(row["captured"])


def refund(connection: sqlite3.Connection, part: str, key: str) -> None:
    """Refunds a captured charge in full, once. Raises `Problem` if nothing was ever captured under the key."""
    row = _charge(connection, part, key)
    if row is None or not row["captured"]:
        raise Problem(404, "payments:not-captured", "Nothing was ever captured under this key.")
    if row["state"] == "captured":
        connection.execute("UPDATE charges SET state = 'refunded' WHERE part = ? AND key = ?", (part, key))
        append_entry(connection, part, _entry("refund", key, row["order_id"], row["amount"], row["currency"]))


def routes(ledger: Ledger, dials: Dials) -> APIRouter:
    """Returns the providers' HTTP API. A refund has the key of its charge, since it happens at most once."""
    router = APIRouter(prefix="/payments/{which}")
    in_progress = RequestsInProgress()

    @router.post("/charges")
    async def post_charge(which: Which, charge: Charge, key: KeyHeader) -> Response:
        part = f"payments-{which}"

        async def work(faults: RequestFaults) -> Response:
            if faults.fails and not in_progress.is_only_request(part, key):
                raise Problem(503, "payments:unavailable", "Another request with this key is in progress. Retry.")
            state, repeated = await ledger.run(
                partial(capture, part=part, key=key, charge=charge, fails=faults.fails, declined=faults.declined)
            )
            if state == "declined":
                raise Problem(402, "payments:declined", "The customer's bank declined the charge.")
            return JSONResponse({"status": state, "key": key}, 200 if repeated else 201)

        with in_progress.track(part, key):
            return await dials.apply_faults(part, work)

    @router.post("/charges/{key}/void")
    async def post_void(which: Which, key: KeyPath) -> Response:
        part = f"payments-{which}"

        async def work(faults: RequestFaults) -> Response:
            if faults.fails:
                raise Problem(503, "payments:not-voided", "The charge was not voided. Retry.")
            was_captured = await ledger.run(partial(void, part=part, key=key))
            return JSONResponse({"status": "voided", "refunded": was_captured})

        return await dials.apply_faults(part, work)

    @router.post("/charges/{key}/refund")
    async def post_refund(which: Which, key: KeyPath) -> Response:
        part = f"payments-{which}"

        async def work(faults: RequestFaults) -> Response:
            if faults.fails:
                raise Problem(503, "payments:not-refunded", "The charge was not refunded. Retry.")
            await ledger.run(partial(refund, part=part, key=key))
            return JSONResponse({"status": "refunded"})

        return await dials.apply_faults(part, work)

    @router.get("/ledger")
    async def get_ledger(which: Which, after: After = 0, limit: Limit = 500) -> Response:
        entries, following = await ledger.run(partial(entries_page, part=f"payments-{which}", after=after, limit=limit))
        return JSONResponse({"entries": entries, "next": following})

    return router


def _charge(connection: sqlite3.Connection, part: str, key: str) -> sqlite3.Row | None:
    row: sqlite3.Row | None = connection.execute(
        "SELECT * FROM charges WHERE part = ? AND key = ?", (part, key)
    ).fetchone()
    return row


def _entry(kind: str, key: str, order_id: str | None, amount: int, currency: str | None) -> dict[str, Any]:
    return {"kind": kind, "key": key, "order_id": order_id, "amount": amount, "currency": currency}
