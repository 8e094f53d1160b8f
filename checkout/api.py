"""HTTP API for a customer's own orders: read, follow and cancel them."""

from datetime import datetime
from typing import Any
from uuid import UUID

from pydantic import BaseModel, ConfigDict

from checkout import handlers, store
from checkout.domain import Order, Payment, Reason, Status, TooLate
from marketplace_runtime.http import Caller, Conflict, Cursor, NotFound, Page, PageSize, Router, Tx, require_owner

router = Router(tags=["orders"])

NO_ORDER = "There is no such order, or it is not yours, or checkout has not received it yet."


class MoneyView(BaseModel):
    """An amount in minor units of an ISO 4217 currency."""

    model_config = ConfigDict(from_attributes=True)

    amount: int
    currency: str


class LineView(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    product_id: UUID
    quantity: int
    unit_price: MoneyView


class RejectedLineView(BaseModel):
    """The reason why a line could not be sold, with the units available and the price at that time, if known."""

    model_config = ConfigDict(from_attributes=True)

    product_id: UUID
    reason: str
    requested: int
    available: int | None
    price: MoneyView | None


class OrderView(BaseModel):
    """An order, as its customer sees it."""

    model_config = ConfigDict(from_attributes=True)

    order_id: UUID
    customer_id: str
    status: Status
    reason: Reason | None
    """The reason why the order was, or is being, cancelled."""
    lines: list[LineView]
    total: MoneyView
    rejected_lines: list[RejectedLineView]
    """The lines that could not be sold as ordered, with the price at that time."""
    awaits_address: bool
    """Whether the order waits for an address. It is not charged until the customer has recorded one with delivery."""
    payment: Payment
    provider: str | None
    dispatched: bool
    shipping_delayed: bool
    cancellation_refused: str | None
    placed_at: datetime
    updated_at: datetime
    version: int


class EntryView(BaseModel):
    """An entry of an order's journal."""

    model_config = ConfigDict(from_attributes=True)

    version: int
    type: str
    at: datetime
    data: dict[str, Any]


class Journal(BaseModel):
    entries: list[EntryView]


class TooLateToCancel(Conflict):
    slug, title = "too-late-to-cancel", "It is too late to cancel the order"


@router.get("/orders")
async def list_orders(caller: Caller, tx: Tx, cursor: Cursor[UUID] = None, limit: PageSize = 20) -> Page[OrderView]:
    """List the caller's own orders, newest first."""
    found = await store.orders_of(tx, caller.subject, before=cursor, limit=limit + 1)
    views = [OrderView.model_validate(order) for order in found]
    return Page[OrderView].of(views, limit, key=lambda view: view.order_id)


@router.get("/orders/{order_id}")
async def get_order(order_id: UUID, caller: Caller, tx: Tx) -> OrderView:
    """Return one order. Answers 404 until checkout has received it."""
    return OrderView.model_validate(await _own_order(order_id, caller, tx))


@router.get("/orders/{order_id}/journal")
async def get_journal(order_id: UUID, caller: Caller, tx: Tx) -> Journal:
    """List all that happened to one order, oldest first."""
    await _own_order(order_id, caller, tx)
    entries = await store.journal_of(tx, order_id)
    return Journal(entries=[EntryView.model_validate(entry) for entry in entries])


@router.post("/orders/{order_id}/cancel", status_code=202)
async def cancel_order(order_id: UUID, caller: Caller, tx: Tx) -> OrderView:
    """Cancel the order, or ask delivery to stop its parcel if it is confirmed.

    In the second case, the order is `cancelling` until delivery answers.
    """
    try:
        order = await handlers.cancel_order(order_id, caller.subject, tx)
    except TooLate as error:
        raise TooLateToCancel(str(error)) from error
    if order is None:
        raise NotFound(NO_ORDER)
    return OrderView.model_validate(order)


async def _own_order(order_id: UUID, caller: Caller, tx: Tx) -> Order:
    order = await store.order_for_reading(tx, order_id)
    if order is None:
        raise NotFound(NO_ORDER)
    require_owner(caller, order.customer_id, NO_ORDER)
    return order
