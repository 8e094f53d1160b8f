"""Orders over HTTP, for the customer whose they are: read them, follow them, cancel them."""

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import Query
from pydantic import BaseModel

from checkout import handlers, store
from checkout.domain import Order, Payment, Reason, Status, TooLate
from contracts import Money
from contracts.cart import Line
from contracts.catalog import RejectedLine
from infra.http import Caller, Conflict, Cursor, NotFound, Page, PageSize, Router, Tx, owned_by

router = Router(tags=["orders"])


class OrderView(BaseModel):
    """An order as its customer sees it."""

    order_id: UUID
    customer_id: str
    status: Status
    reason: Reason | None
    """Why it was, or is being, cancelled."""
    lines: list[Line]
    total: Money
    rejected_lines: list[RejectedLine]
    """What could not be had as ordered, with today's price."""
    payment: Payment
    provider: str | None
    dispatched: bool
    shipping_delayed: bool
    cancellation_refused: str | None
    placed_at: datetime
    updated_at: datetime
    version: int

    @classmethod
    def of(cls, order: Order) -> "OrderView":
        return cls.model_validate(order, from_attributes=True, strict=False)


class EntryView(BaseModel):
    """One thing that happened to an order."""

    version: int
    type: str
    at: datetime
    data: dict[str, Any]


class Journal(BaseModel):
    entries: list[EntryView]


class CancelledTooLate(Conflict):
    """The parcel has left, so the order can no longer be cancelled."""

    slug = "too-late-to-cancel"
    title = "Too late to cancel"


@router.get("/orders")
async def list_orders(
    caller: Caller, tx: Tx, cursor: Annotated[str | None, Query()] = None, limit: PageSize = 20
) -> Page[OrderView]:
    """The caller's own orders, newest first."""
    before = Cursor.decode(cursor, UUID) if cursor else None
    orders = await store.orders_of(tx, caller.subject, before=before, limit=limit + 1)
    more = len(orders) > limit
    following = Cursor.encode(orders[limit - 1].order_id) if more else None
    return Page(items=[OrderView.of(order) for order in orders[:limit]], next_cursor=following)


@router.get("/orders/{order_id}")
async def get_order(order_id: UUID, caller: Caller, tx: Tx) -> OrderView:
    """One order; 404 until checkout has heard of it."""
    return OrderView.of(await _own(order_id, caller, tx))


@router.get("/orders/{order_id}/journal")
async def get_journal(order_id: UUID, caller: Caller, tx: Tx) -> Journal:
    """All that happened to one order, oldest first."""
    await _own(order_id, caller, tx)
    entries = await store.journal_of(tx, order_id)
    return Journal(entries=[EntryView.model_validate(entry, from_attributes=True) for entry in entries])


@router.post("/orders/{order_id}/cancel", status_code=202)
async def cancel_order(order_id: UUID, caller: Caller, tx: Tx) -> OrderView:
    """Cancel now, or ask delivery to stop the parcel: then the order is `cancelling` until it answers."""
    try:
        order = await handlers.cancel_order(order_id, caller.subject, tx)
    except TooLate as error:
        raise CancelledTooLate(str(error)) from error
    if order is None:
        raise NotFound
    return OrderView.of(order)


async def _own(order_id: UUID, caller: Caller, tx: Tx) -> Order:
    order = await store.order_for_reading(tx, order_id)
    if order is None:
        raise NotFound
    owned_by(caller, order.customer_id)
    return order
