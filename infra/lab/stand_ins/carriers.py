"""Two carriers: they accept bookings by idempotency key, cancel them on request until dispatch, and deliver parcels."""

import sqlite3
import time
import uuid
from functools import partial
from typing import Annotated

from fastapi import APIRouter
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, HttpUrl
from starlette.responses import Response

from infra.lab.stand_ins.carrier_callbacks import CarrierCallbacks
from infra.lab.stand_ins.dials import Dials, RequestFaults
from infra.lab.stand_ins.keys import After, KeyHeader, KeyPath, Limit, RequestsInProgress, Which, fingerprint
from infra.lab.stand_ins.ledger import Ledger, entries_page, now
from infra.lab.stand_ins.parcels import Parcel, State, add_parcel, cancel_parcel, parcel_of
from infra.lab.stand_ins.problems import Problem

Text = Annotated[str, Field(max_length=200)]


class Address(BaseModel):
    """The address of the parcel. It is validated but not stored, because no label is printed."""

    model_config = ConfigDict(extra="ignore")

    name: Text
    street: Text
    city: Text
    postal_code: Text
    country: Text


class Booking(BaseModel):
    """A request to deliver a shipment to the address, and to report every step to the callback URL."""

    model_config = ConfigDict(extra="forbid")

    shipment_id: Annotated[str, Field(min_length=1, max_length=64)]
    order_id: Annotated[str, Field(min_length=1, max_length=64)]
    address: Address
    callback_url: HttpUrl


def book_parcel(
    connection: sqlite3.Connection, part: str, key: str, booking: Booking, *, due: float, fails: bool
) -> tuple[Parcel, bool]:
    """Books a parcel once per key. Returns the parcel, and whether an earlier request had booked it.

    `fails` is whether the dial makes this request fail. It has no effect on a key that is booked already: the answer
    "not booked" would be untrue. Raises `Problem` if the key is cancelled or was used with another body, or if the
    booking fails.
    """
    parcel = parcel_of(connection, part, key)
    if parcel is not None:
        if parcel.state is State.CANCELLED:
            raise Problem(409, "carriers:cancelled", "This key was cancelled: it can never be booked.")
        if parcel.body != fingerprint(booking):
            raise Problem(422, "carriers:key-reused", "This key was used with another body.")
        return parcel, True
    if fails:
        raise Problem(
            503, "carriers:not-booked", "The carrier did not book the parcel. Retry, or use the other carrier."
        )
    tracking_code = f"{part[-1].upper()}{uuid.uuid4().hex[:16].upper()}"
    parcel = Parcel(
        part=part,
        key=key,
        body=fingerprint(booking),
        shipment_id=booking.shipment_id,
        order_id=booking.order_id,
        tracking_code=tracking_code,
        callback_url=str(booking.callback_url),
        state=State.BOOKED,
        due=due,
        since=now(),
    )
    add_parcel(connection, parcel)
    return parcel, False


def cancel_booking(connection: sqlite3.Connection, part: str, key: str) -> None:
    """Cancels a key for ever: no parcel is dispatched under it. Raises `Problem` if one was dispatched already."""
    parcel = parcel_of(connection, part, key)
    if parcel is None:
        add_parcel(connection, Parcel(part, key, None, None, None, None, None, State.CANCELLED, 0, now()))
    elif parcel.state is State.BOOKED:
        cancel_parcel(connection, parcel)
    elif parcel.state is not State.CANCELLED:
        raise Problem(409, "carriers:dispatched", "The parcel is on its way and can no longer be stopped.")


def routes(ledger: Ledger, dials: Dials, callbacks: CarrierCallbacks) -> APIRouter:
    """Returns the carriers' HTTP API."""
    router = APIRouter(prefix="/carriers/{which}")
    in_progress = RequestsInProgress()

    @router.post("/bookings")
    async def post_booking(which: Which, booking: Booking, key: KeyHeader) -> Response:
        part = f"carriers-{which}"

        async def work(faults: RequestFaults) -> Response:
            if faults.fails and not in_progress.is_only_request(part, key):
                raise Problem(503, "carriers:unavailable", "Another request with this key is in progress. Retry.")
            due = time.time() + callbacks.dispatch_after_s
            parcel, repeated = await ledger.run(
                partial(book_parcel, part=part, key=key, booking=booking, due=due, fails=faults.fails)
            )
            if not repeated:
                callbacks.start_parcel_task(parcel)
            answer = {"status": "booked", "tracking_code": parcel.tracking_code}
            return JSONResponse(answer, 200 if repeated else 201)

        with in_progress.track(part, key):
            return await dials.apply_faults(part, work)

    @router.get("/bookings/{key}")
    async def get_booking(which: Which, key: KeyPath) -> Response:
        part = f"carriers-{which}"

        async def work(faults: RequestFaults) -> Response:
            if faults.fails:
                raise Problem(503, "carriers:unavailable", "The status cannot be read now. Retry.")
            parcel = await ledger.run(partial(parcel_of, part=part, key=key))
            if parcel is None:
                raise Problem(404, "carriers:unknown", "Nothing was ever booked under this key.")
            return JSONResponse({"status": parcel.public_state, "tracking_code": parcel.tracking_code})

        return await dials.apply_faults(part, work)

    @router.post("/bookings/{key}/cancel")
    async def post_cancel(which: Which, key: KeyPath) -> Response:
        part = f"carriers-{which}"

        async def work(faults: RequestFaults) -> Response:
            if faults.fails:
                raise Problem(503, "carriers:not-cancelled", "The booking was not cancelled. Retry.")
            await ledger.run(partial(cancel_booking, part=part, key=key))
            return JSONResponse({"status": "cancelled"})

        return await dials.apply_faults(part, work)

    @router.get("/ledger")
    async def get_ledger(which: Which, after: After = 0, limit: Limit = 500) -> Response:
        entries, following = await ledger.run(partial(entries_page, part=f"carriers-{which}", after=after, limit=limit))
        return JSONResponse({"entries": entries, "next": following})

    return router
