"""The events that catalog publishes: facts about products for other services' copies, and answers about stock."""

from datetime import datetime
from enum import StrEnum
from uuid import UUID

from pydantic import BaseModel, ConfigDict, Field

from contracts.money import Money
from contracts.quantity import Quantity
from marketplace_runtime.events import Event, PersonId


class ProductStatus(StrEnum):
    ON_SALE = "on-sale"
    SOLD_OUT = "sold-out"
    DISCONTINUED = "discontinued"


class ProductFacts(BaseModel):
    """All that another service needs to show or sell a product. A higher version replaces a lower one."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    version: int = Field(ge=1)
    name: str = Field(min_length=1, max_length=200)
    category: str = Field(min_length=1, max_length=64)
    price: Money
    status: ProductStatus


class ProductListedV1(Event, type="catalog.product-listed.v1", key="product_id"):
    """A seller offers a new product."""

    product_id: UUID
    seller_id: PersonId
    facts: ProductFacts


class PriceChangedV1(Event, type="catalog.price-changed.v1", key="product_id"):
    """The price of the product has changed; `facts` has the new price."""

    product_id: UUID
    facts: ProductFacts


class ProductDiscontinuedV1(Event, type="catalog.product-discontinued.v1", key="product_id"):
    """The product is no longer sold; orders that hold a reservation still complete."""

    product_id: UUID
    facts: ProductFacts


class ProductSoldOutV1(Event, type="catalog.product-sold-out.v1", key="product_id"):
    """The last available unit was reserved."""

    product_id: UUID
    facts: ProductFacts


class ProductRestockedV1(Event, type="catalog.product-restocked.v1", key="product_id"):
    """Units became available again: the seller added some, or a reservation was released."""

    product_id: UUID
    facts: ProductFacts
    available: int = Field(ge=0)


class StockRunningLowV1(Event, type="catalog.stock-running-low.v1", key="product_id"):
    """Fewer units are available than the seller's low-stock threshold."""

    product_id: UUID
    seller_id: PersonId
    available: int = Field(ge=0)


class LoweredPrice(BaseModel):
    """A product that costs less now than the customer saw."""

    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    product_id: UUID
    price: Money
    """Today's price, in the currency that the customer saw."""


class StockReservedV1(Event, type="catalog.stock-reserved.v1", key="order_id"):
    """Stock is reserved for every line of the order, until the order is confirmed or cancelled."""

    order_id: UUID
    expires_at: datetime
    """The time at which ReservationExpired is published if the order is still neither confirmed nor cancelled."""
    lowered: list[LoweredPrice] | None = Field(default=None, min_length=1, max_length=50)
    """The products that cost less than the order says; None if every price is as ordered."""


class RejectionReason(StrEnum):
    SOLD_OUT = "sold-out"
    PRICE_CHANGED = "price-changed"
    DISCONTINUED = "discontinued"
    UNKNOWN_PRODUCT = "unknown-product"


class RejectedLine(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore", strict=True)

    product_id: UUID
    reason: RejectionReason
    requested: Quantity
    available: int | None = None
    """The available units, if the product is known."""
    price: Money | None = None
    """Today's price, if the product is known."""


class StockRejectedV1(Event, type="catalog.stock-rejected.v1", key="order_id"):
    """Nothing was reserved, since at least one line cannot be sold as ordered."""

    order_id: UUID
    lines: list[RejectedLine] = Field(min_length=1)


class ReservationExpiredV1(Event, type="catalog.reservation-expired.v1", key="order_id"):
    """The order kept its reservation beyond `expires_at`. The stock stays reserved until the order is cancelled."""

    order_id: UUID


class StockReleasedV1(Event, type="catalog.stock-released.v1", key="order_id"):
    """The stock that was reserved or taken for the order is available again."""

    order_id: UUID


class ReservationDueV1(Event, type="catalog.reservation-due.v1", key="order_id", internal=True):
    """Deadline: check whether the reservation was taken or released."""

    order_id: UUID
