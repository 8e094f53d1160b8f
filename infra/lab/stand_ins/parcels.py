"""The parcels of the carriers. A step is taken only in the state before it, and is written to the ledger.

booked -> dispatched -> dispatch reported -> delivered -> delivery reported
   \\-> cancelled (also a key that was never booked: a tombstone)

A step is reported when the marketplace has accepted the callback about it.
"""

import sqlite3
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from infra.lab.stand_ins.ledger import append_entry, now

SCHEMA = """
CREATE TABLE IF NOT EXISTS parcels (
    part TEXT NOT NULL, key TEXT NOT NULL, body TEXT, shipment_id TEXT, order_id TEXT, tracking_code TEXT,
    callback_url TEXT, state TEXT NOT NULL, due REAL, since TEXT NOT NULL,
    PRIMARY KEY (part, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS parcels_on_their_way ON parcels (state)
    WHERE state NOT IN ('cancelled', 'delivery-told');
"""


class State(StrEnum):
    BOOKED = "booked"
    CANCELLED = "cancelled"
    DISPATCHED = "dispatched"
    DISPATCH_REPORTED = "dispatch-told"
    DELIVERED = "delivered"
    DELIVERY_REPORTED = "delivery-told"


_STEP_BEFORE = {
    State.DISPATCHED: State.BOOKED,
    State.DISPATCH_REPORTED: State.DISPATCHED,
    State.DELIVERED: State.DISPATCH_REPORTED,
    State.DELIVERY_REPORTED: State.DELIVERED,
}
_LEDGER_KINDS = {State.DISPATCHED: "dispatch", State.DELIVERED: "delivery"}


@dataclass(frozen=True)
class Parcel:
    """A booking. A tombstone has only its key."""

    part: str
    key: str
    body: str | None
    shipment_id: str | None
    order_id: str | None
    tracking_code: str | None
    callback_url: str | None
    state: State
    due: float
    """Unix time at which the next step is due."""
    since: str
    """Time at which the parcel reached its state (ISO 8601)."""

    @property
    def public_state(self) -> str:
        """The state without regard to callbacks: `booked`, `dispatched`, `delivered` or `cancelled`."""
        reported = {State.DISPATCH_REPORTED: State.DISPATCHED, State.DELIVERY_REPORTED: State.DELIVERED}
        return reported.get(self.state, self.state).value


def parcel_of(connection: sqlite3.Connection, part: str, key: str) -> Parcel | None:
    """Returns the parcel with this key, or None."""
    row = connection.execute("SELECT * FROM parcels WHERE part = ? AND key = ?", (part, key)).fetchone()
    return None if row is None else _parcel(row)


def parcels_on_their_way(connection: sqlite3.Connection) -> list[Parcel]:
    """Returns the parcels of all carriers that have steps or callbacks left."""
    rows = connection.execute("SELECT * FROM parcels WHERE state NOT IN ('cancelled', 'delivery-told')").fetchall()
    return [_parcel(row) for row in rows]


def add_parcel(connection: sqlite3.Connection, parcel: Parcel) -> None:
    """Stores a new parcel, or the tombstone of a key that must never be booked."""
    values = (parcel.part, parcel.key, parcel.body, parcel.shipment_id, parcel.order_id, parcel.tracking_code)
    connection.execute(
        "INSERT INTO parcels VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        (*values, parcel.callback_url, parcel.state, parcel.due, parcel.since),
    )
    _add_to_ledger(connection, parcel, "cancellation" if parcel.state is State.CANCELLED else "booking")


def cancel_parcel(connection: sqlite3.Connection, parcel: Parcel) -> None:
    """Cancels a booked parcel."""
    _move(connection, parcel, State.CANCELLED, due=0)
    _add_to_ledger(connection, parcel, "cancellation")


def advance(connection: sqlite3.Connection, part: str, key: str, to: State, *, due: float) -> Parcel | None:
    """Moves the parcel to the state `to`, and returns it.

    Returns None if it is not in the state that precedes `to`: it was cancelled.
    """
    parcel = parcel_of(connection, part, key)
    if parcel is None or parcel.state is not _STEP_BEFORE[to]:
        return None
    _move(connection, parcel, to, due=due)
    if to in _LEDGER_KINDS:
        _add_to_ledger(connection, parcel, _LEDGER_KINDS[to])
    return parcel_of(connection, part, key)


def _move(connection: sqlite3.Connection, parcel: Parcel, to: State, *, due: float) -> None:
    connection.execute(
        "UPDATE parcels SET state = ?, due = ?, since = ? WHERE part = ? AND key = ?",
        (to, due, now(), parcel.part, parcel.key),
    )


def _add_to_ledger(connection: sqlite3.Connection, parcel: Parcel, kind: str) -> None:
    entry: dict[str, Any] = {"kind": kind, "key": parcel.key, "order_id": parcel.order_id}
    entry |= {"shipment_id": parcel.shipment_id, "tracking_code": parcel.tracking_code}
    append_entry(connection, parcel.part, entry)


def _parcel(row: sqlite3.Row) -> Parcel:
    return Parcel(**{**dict(row), "state": State(row["state"])})
