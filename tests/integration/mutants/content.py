"""Mutants of the services' output: each publishes or shows a wrong value, the same in outbox and log."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

from cart.domain import Cart, Checkout, State
from checkout import api
from contracts import Event
from contracts.catalog import ProductListedV1, StockReservedV1
from contracts.checkout import OrderConfirmedV1, OrderPlacedV1, PaymentCapturedV1
from contracts.delivery import AddressRecordedV1, ShipmentDispatchedV1, ShipmentDispatchedV2, ShipmentScheduledV1
from contracts.notifications import NotificationSentV1
from marketplace_runtime.database import Transaction
from notifications import notices
from tests.integration.mutants.mutant import Mutant, Patch

STRANGER = "mallory"
ELSEWHERE = UUID("00000000-0000-7000-8000-00000000dead")


def _publish_changed(patch: Patch, kind: type[Event], change: Callable[[Any], dict[str, Any]]) -> None:
    """Publish events of a class with other values of some fields."""
    publish = Transaction.publish

    def otherwise(event: Event) -> Event:
        return event.model_copy(update=change(event)) if isinstance(event, kind) else event

    patch(Transaction, "publish", lambda tx, *versions: publish(tx, *map(otherwise, versions)))


def order_placed_for_more(patch: Patch) -> None:
    """OrderPlaced has a higher total than the order."""
    _publish_changed(
        patch, OrderPlacedV1, lambda event: {"total": event.total.model_copy(update={"amount": event.total.amount + 1})}
    )


def confirmation_of_other_lines(patch: Patch) -> None:
    """OrderConfirmed has a unit more than the order."""

    def more(event: OrderConfirmedV1) -> dict[str, Any]:
        first, *rest = event.lines
        return {"lines": [first.model_copy(update={"quantity": first.quantity + 1}), *rest]}

    _publish_changed(patch, OrderConfirmedV1, more)


def capture_by_another_provider(patch: Patch) -> None:
    """PaymentCaptured names the provider that did not charge."""
    _publish_changed(patch, PaymentCapturedV1, lambda event: {"provider": "a" if event.provider == "b" else "b"})


def listing_in_another_category(patch: Patch) -> None:
    """ProductListed has a category that the product is not in."""
    _publish_changed(
        patch, ProductListedV1, lambda event: {"facts": event.facts.model_copy(update={"category": "other"})}
    )


def reservation_for_an_hour_more(patch: Patch) -> None:
    """StockReserved has an expiry that is later than the catalog's."""
    _publish_changed(patch, StockReservedV1, lambda event: {"expires_at": event.expires_at + timedelta(hours=1)})


def address_of_another_id(patch: Patch) -> None:
    """AddressRecorded names an address that does not exist."""
    _publish_changed(patch, AddressRecordedV1, lambda event: {"address_id": ELSEWHERE})


def shipment_for_a_stranger(patch: Patch) -> None:
    """ShipmentScheduled names somebody else than the customer."""
    _publish_changed(patch, ShipmentScheduledV1, lambda event: {"customer_id": STRANGER})


def tracking_code_of_another_parcel(patch: Patch) -> None:
    """ShipmentDispatched has another code than the carrier gave, in both versions."""
    _publish_changed(patch, ShipmentDispatchedV1, lambda event: {"tracking_code": f"{event.tracking_code}X"})
    _publish_changed(
        patch,
        ShipmentDispatchedV2,
        lambda event: {"tracking": event.tracking.model_copy(update={"code": f"{event.tracking.code}X"})},
    )


def notification_of_a_stranger(patch: Patch) -> None:
    """NotificationSent names somebody else than the recipient."""
    _publish_changed(patch, NotificationSentV1, lambda event: {"person_id": STRANGER})


def mail_of_a_cent_more(patch: Patch) -> None:
    """Mails have an amount that is a cent too high."""
    as_money = notices.as_money
    patch(notices, "as_money", lambda amount, currency: as_money(amount + 1, currency))


def bought_items_stay(patch: Patch) -> None:
    """Bought items stay in the cart."""

    def confirm(cart: Cart, checkout: Checkout) -> None:
        if checkout.state == State.OPEN:
            cart._release_units(checkout)
        checkout.state = State.CONFIRMED

    patch(Cart, "confirm", confirm)


def order_shown_for_more(patch: Patch) -> None:
    """The API shows customers a higher total than that of their order."""
    validate = api.OrderView.model_validate

    def dearer(order: object) -> api.OrderView:
        view = validate(order)
        return view.model_copy(update={"total": view.total.model_copy(update={"amount": view.total.amount + 1})})

    patch(api.OrderView, "model_validate", staticmethod(dearer))


RECORDED = "events-say-what-is-recorded"
MUTANTS: list[tuple[Mutant, str, dict[str, str]]] = [
    (order_placed_for_more, RECORDED, {"type": OrderPlacedV1.type, "field": "lines, total"}),
    (confirmation_of_other_lines, RECORDED, {"type": OrderConfirmedV1.type, "field": "lines, total"}),
    (capture_by_another_provider, RECORDED, {"type": PaymentCapturedV1.type, "field": "provider"}),
    (listing_in_another_category, "facts-follow-one-another", {}),
    (reservation_for_an_hour_more, RECORDED, {"type": StockReservedV1.type, "field": "expires_at"}),
    (address_of_another_id, "addresses-are-known", {"cart_knows": str(ELSEWHERE)}),
    (shipment_for_a_stranger, RECORDED, {"type": ShipmentScheduledV1.type, "said": STRANGER}),
    (tracking_code_of_another_parcel, RECORDED, {"type": ShipmentDispatchedV2.type, "field": "tracking"}),
    (notification_of_a_stranger, RECORDED, {"type": NotificationSentV1.type, "said": STRANGER}),
    (mail_of_a_cent_more, "mail-says-what-happened", {"kind": "order-confirmed"}),
    (bought_items_stay, "carts-hold-what-was-put", {}),
    (order_shown_for_more, "customers-read-the-truth", {}),
]
"""Each mutant with the invariant that finds it, and the evidence that the invariant reports."""


def apply() -> None:
    """Apply every mutant to this process."""
    for mutant, *_ in MUTANTS:
        mutant(setattr)
