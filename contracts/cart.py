"""The events that cart publishes."""

from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.money import Money
from contracts.quantity import Quantity
from marketplace_runtime.events import Event, PersonId


class Line(BaseModel):
    """A quantity of one product, at the price that the customer saw."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    product_id: UUID
    quantity: Quantity
    unit_price: Money


class CartCheckedOutV1(Event, type="cart.cart-checked-out.v1", key="order_id"):
    """A customer has checked out a cart with these lines. The HTTP response to the checkout has the same order id."""

    order_id: UUID
    customer_id: PersonId
    lines: list[Line] = Field(min_length=1, max_length=50)
    total: Money
    address_id: UUID | None = None
    """The customer's address at this moment; None if the cart service had received none."""


class CartAbandonedV1(Event, type="cart.cart-abandoned.v1", key="customer_id"):
    """A customer has left a cart with something in it unused for a while."""

    customer_id: PersonId
    product_ids: list[UUID] = Field(min_length=1)


class AbandonmentDueV1(Event, type="cart.abandonment-due.v1", key="customer_id", internal=True):
    """Deadline: check whether the customer has left the cart unused since this deadline was scheduled."""

    customer_id: PersonId
