"""Mistakes in a wiring table are found when it is written, not when an event comes."""

from typing import Any

import pytest

from contracts.cart import CartAbandonedV1, CartCheckedOutV1
from contracts.checkout import PaymentDueV1
from infra.messaging import Invalid, on, subscription
from infra.messaging.delivery import reaction_to


async def handle(event: Any, tx: Any) -> None: ...


async def prepare(event: Any, tx: Any) -> object: ...


async def ask(request: Any, outside: Any) -> object: ...


async def record(event: Any, answer: Any, tx: Any) -> None: ...


def test_a_reaction_is_a_handler_or_an_outside_call_and_not_both() -> None:
    with pytest.raises(TypeError, match="either a handler or"):
        on(CartCheckedOutV1, handle, prepare=prepare, ask=ask, record=record)


@pytest.mark.parametrize("missing", ["prepare", "ask", "record"])
def test_an_outside_call_has_three_steps(missing: str) -> None:
    steps: dict[str, Any] = {"prepare": prepare, "ask": ask, "record": record}
    steps[missing] = None
    with pytest.raises(TypeError, match=r"on\(CartCheckedOutV1\): an outside call needs prepare, ask and record"):
        on(CartCheckedOutV1, **steps)


def test_a_reaction_does_something() -> None:
    with pytest.raises(TypeError, match="needs prepare, ask and record"):
        on(CartCheckedOutV1)


def test_a_subscription_hears_a_type_once() -> None:
    with pytest.raises(TypeError, match=r"'carts' hears cart\.cart-checked-out\.v1 twice"):
        subscription("carts", on(CartCheckedOutV1, handle), on(CartCheckedOutV1, handle))


def test_a_reaction_is_found_by_type() -> None:
    table = subscription("carts", on(CartCheckedOutV1, handle), on(CartAbandonedV1, handle))
    assert reaction_to("cart.cart-abandoned.v1", table).event is CartAbandonedV1


@pytest.mark.parametrize(
    ("type", "reason"), [("cart.cart-abandoned.v1", "unknown-type"), ("cart.cart-checked-out.v2", "unknown-version")]
)
def test_what_is_not_heard_is_told_apart(type: str, reason: str) -> None:
    with pytest.raises(Invalid) as caught:
        reaction_to(type, subscription("carts", on(CartCheckedOutV1, handle)))
    assert caught.value.reason == reason


def test_enough_is_fetched_ahead_for_the_next_batch() -> None:
    table = subscription("carts", on(CartCheckedOutV1, handle), batch=50)
    assert table.prefetch >= 2 * table.batch


def test_history_begins_with_the_first_event_or_there_is_none() -> None:
    assert subscription("carts", on(CartCheckedOutV1, handle), history="first").history == "first"
    with pytest.raises(TypeError, match="history is 'first' or nothing, not 'last'"):
        subscription("carts", on(CartCheckedOutV1, handle), history="last")  # type: ignore[arg-type]


def test_deadlines_have_no_history() -> None:
    with pytest.raises(TypeError, match="hears only its own deadlines"):
        subscription("payments", on(PaymentDueV1, handle), history="first")
