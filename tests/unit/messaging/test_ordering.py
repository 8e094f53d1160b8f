"""The key by which an event is ordered, and the subscriptions that can't be ordered."""

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from contracts import Envelope, Money
from contracts.cart import CartAbandonedV1, CartCheckedOutV1, Line
from contracts.naming import MARKETPLACE
from marketplace_runtime.amqp import InvalidMessage
from marketplace_runtime.consumer import Delivery, on, reaction_to, subscription
from marketplace_runtime.consumer.order import ordering_key_of
from marketplace_runtime.database import Transaction, new_id
from marketplace_runtime.telemetry import new_traceparent
from marketplace_runtime.topology import Wiring, definitions
from marketplace_runtime.topology.declaration import ORDERED_ARGUMENTS, QUORUM_ARGUMENTS


async def handle(event: Any, tx: Transaction) -> None:
    raise AssertionError("never run here")


def delivery(body: bytes | None = None, customer: str = "ada") -> Delivery:
    line = Line(product_id=new_id(), quantity=1, unit_price=Money(amount=1, currency="EUR"))
    event = CartCheckedOutV1(order_id=new_id(), customer_id=customer, lines=[line], total=line.unit_price)
    envelope = Envelope(new_id(), event.type, "cart", event.subject, datetime.now(UTC), new_traceparent())
    return Delivery(envelope, body or event.model_dump_json().encode(), on(CartCheckedOutV1, handle))


def test_an_event_is_ordered_by_a_field_or_by_a_function_of_it() -> None:
    one = delivery()
    assert ordering_key_of(one, "customer_id") == "ada"
    assert ordering_key_of(one, lambda event: event.total.currency) == "EUR"
    assert ordering_key_of(one, "order_id") == one.envelope.subject


def test_the_event_s_own_key_is_known_without_reading_the_body() -> None:
    unreadable = delivery(b"rubbish")
    assert ordering_key_of(unreadable, "order_id") == unreadable.envelope.subject
    assert ordering_key_of(unreadable, "customer_id") is None


def test_an_event_of_an_unknown_version_has_no_key() -> None:
    known = delivery()
    unknown = reaction_to("cart.cart-checked-out.v2", subscription("carts", known.reaction))
    newer = Delivery(replace(known.envelope, type="cart.cart-checked-out.v2"), b"{}", unknown)
    assert ordering_key_of(newer, "order_id") is None


@pytest.mark.parametrize("key", ["x" * 256, "nul\0"])
def test_a_key_that_cannot_be_stored_is_refused(key: str) -> None:
    with pytest.raises(InvalidMessage, match="255"):
        ordering_key_of(delivery(), lambda _: key)


def test_an_ordered_subscription_needs_the_field_in_all_its_events() -> None:
    with pytest.raises(TypeError, match=r"ordered by 'order_id', which cart\.cart-abandoned\.v1 lacks"):
        subscription("carts", on(CartCheckedOutV1, handle), on(CartAbandonedV1, handle), ordered_by="order_id")


def test_an_ordered_subscription_makes_no_external_calls() -> None:
    async def step(*_: Any) -> None:
        raise AssertionError("never run here")

    with pytest.raises(TypeError, match="subscription of its own"):
        subscription("carts", on(CartCheckedOutV1, prepare=step, call=step, record=step), ordered_by="order_id")


def test_only_an_ordered_queue_has_a_single_active_consumer() -> None:
    wiring = Wiring("checkout", {"carts": ["cart.x.v1"], "stock": ["catalog.x.v1"]}, ["carts"])
    queues = {
        each["name"]: each["arguments"] for each in definitions([wiring], {"checkout": "secret"}, MARKETPLACE)["queues"]
    }
    assert queues["checkout.carts"] == ORDERED_ARGUMENTS
    assert queues["checkout.stock"] == QUORUM_ARGUMENTS
