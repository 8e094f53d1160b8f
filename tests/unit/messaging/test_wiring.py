"""Errors in a service's table are found when it is defined, before any event arrives."""

from inspect import unwrap
from typing import Any
from uuid import UUID

import pytest

from contracts.cart import CartAbandonedV1, CartCheckedOutV1
from contracts.checkout import PaymentDueV1
from contracts.delivery import ShipmentDispatchedV1, ShipmentDispatchedV2, Tracking
from contracts.upcasts import shipment_dispatched_v2
from marketplace_runtime.amqp import InvalidMessage, UnknownVersion
from marketplace_runtime.consumer import on, reaction_to, subscription

ORDER = UUID("00000000-0000-7000-8000-000000000001")


async def handle(event: Any, tx: Any) -> None: ...


SHIPMENTS = subscription(
    "shipments", on(ShipmentDispatchedV2, handle).or_older(ShipmentDispatchedV1, shipment_dispatched_v2)
)


async def prepare(event: Any, tx: Any) -> object: ...


async def call(request: Any, clients: Any) -> object: ...


async def record(event: Any, answer: Any, tx: Any) -> None: ...


def test_a_reaction_is_either_a_handler_or_an_external_call() -> None:
    with pytest.raises(TypeError, match="either a handler or"):
        on(CartCheckedOutV1, handle, prepare=prepare, call=call, record=record)


@pytest.mark.parametrize("missing", ["prepare", "call", "record"])
def test_an_external_call_has_three_steps(missing: str) -> None:
    steps: dict[str, Any] = {"prepare": prepare, "call": call, "record": record}
    steps[missing] = None
    with pytest.raises(TypeError, match=r"on\(CartCheckedOutV1\): an external call needs prepare, call and record"):
        on(CartCheckedOutV1, **steps)


def test_an_empty_reaction_is_refused() -> None:
    with pytest.raises(TypeError, match="needs prepare, call and record"):
        on(CartCheckedOutV1)


def test_a_subscription_has_one_reaction_for_each_type() -> None:
    with pytest.raises(TypeError, match=r"'carts' has two reactions to cart\.cart-checked-out\.v1"):
        subscription("carts", on(CartCheckedOutV1, handle), on(CartCheckedOutV1, handle))


def test_a_reaction_is_found_by_type() -> None:
    table = subscription("carts", on(CartCheckedOutV1, handle), on(CartAbandonedV1, handle))
    assert reaction_to("cart.cart-abandoned.v1", table).event is CartAbandonedV1


def test_an_event_without_a_subscribed_version_is_of_an_unknown_type() -> None:
    with pytest.raises(InvalidMessage) as caught:
        reaction_to("cart.cart-abandoned.v1", subscription("carts", on(CartCheckedOutV1, handle)))
    assert caught.value.reason == "unknown-type"


def test_the_error_for_an_unknown_version_names_the_known_ones() -> None:
    reaction = reaction_to("delivery.shipment-dispatched.v3", SHIPMENTS)
    with pytest.raises(UnknownVersion, match=r"v3 is not understood here, only \S+\.v1, \S+\.v2$"):
        reaction.read(b"{}")


def test_an_older_version_reaches_the_same_handler_as_the_newest() -> None:
    old = ShipmentDispatchedV1(order_id=ORDER, shipment_id=ORDER, customer_id="ada", carrier="a", tracking_code="A1")
    new = ShipmentDispatchedV2(
        order_id=ORDER, shipment_id=ORDER, customer_id="ada", tracking=Tracking(carrier="a", code="A1")
    )
    for published in (old, new):
        reaction = reaction_to(published.type, SHIPMENTS)
        assert unwrap(reaction.handle) is handle
        assert reaction.read(published.model_dump_json().encode()) == new
    assert SHIPMENTS.types == [old.type, new.type]


def test_the_prefetch_covers_the_next_batch() -> None:
    table = subscription("carts", on(CartCheckedOutV1, handle), batch=50)
    assert table.prefetch >= 2 * table.batch


def test_history_begins_with_the_first_event_or_is_absent() -> None:
    assert subscription("carts", on(CartCheckedOutV1, handle), history="first").history == "first"
    with pytest.raises(TypeError, match="history is 'first' or nothing, not 'last'"):
        subscription("carts", on(CartCheckedOutV1, handle), history="last")


def test_deadlines_have_no_history() -> None:
    with pytest.raises(TypeError, match="internal events, which have no history"):
        subscription("payments", on(PaymentDueV1, handle), history="first")
