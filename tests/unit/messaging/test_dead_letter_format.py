"""A dead letter is read from its queue as it was written, whatever message it holds."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from contracts.cart import CartCheckedOutV1
from marketplace_runtime.amqp import (
    CLOUDEVENTS_PREFIX,
    DeadLetter,
    IncomingMessage,
    dead_letter_key,
    dead_letter_properties,
    decode_dead_letter,
)
from marketplace_runtime.amqp.dead_letter_format import (
    MAX_ERROR_CHARACTERS,
    MAX_HEADERS,
    is_name_too_long,
    storable_headers,
)
from marketplace_runtime.consumer import UnreadableMessage, decode_message, on, subscription
from marketplace_runtime.database import Transaction, new_id
from marketplace_runtime.replay.window import ReplayWindow
from tests.unit.messaging.raw_properties import FULL, Odd, odd_properties

without_deadline = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=100)
FRAME_BYTES = 128 * 1024 - 20
"""The largest size of properties that the broker accepts."""
kept_headers = st.dictionaries(
    texts.filter(lambda name: not name.startswith(("x-", "dead_", CLOUDEVENTS_PREFIX)) and not is_name_too_long(name)),
    texts | st.integers(-(2**63) + 1, 2**63 - 1),
).filter(lambda headers: len(headers) < MAX_HEADERS - 2)

offsets = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
times = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=offsets)  # noqa: DTZ001 - they get one
"""With offsets, not zones: Python compares a time that a zone has twice or never as unequal in other zones."""


def over_the_wire(properties: Basic.Properties) -> Basic.Properties:
    received = ContentHeader()
    received.unmarshal(ContentHeader(body_size=0, properties=properties).marshal())
    assert isinstance(received.properties, Basic.Properties)
    return received.properties


@st.composite
def letters(draw: st.DrawFn) -> DeadLetter:
    event_id = draw(st.none() | st.builds(new_id))
    type = draw(st.none() | st.just("cart.cart-checked-out.v1"))
    headers = draw(kept_headers)
    if event_id is not None:
        headers[CLOUDEVENTS_PREFIX + "id"] = str(event_id)
    if type is not None:
        headers[CLOUDEVENTS_PREFIX + "type"] = type
    body = draw(st.binary(max_size=200))
    return DeadLetter(
        key=dead_letter_key("carts", event_id, body, "a-message"),
        subscription="carts",
        event_id=event_id,
        type=type,
        reason=draw(st.sampled_from(["rejected", "poison", "not-json"])),
        error=draw(texts),
        attempts=draw(st.integers(0, 1000)),
        failed_at=draw(st.none() | times),
        headers=headers,
        body=body,
    )


@without_deadline
@given(letter=letters())
def test_a_dead_letter_is_read_as_it_was_written(letter: DeadLetter) -> None:
    received = over_the_wire(dead_letter_properties(letter, "checkout"))
    assert decode_dead_letter(received, letter.body, "checkout") == letter


def assert_can_be_stored(letter: DeadLetter, body: bytes) -> None:
    """Assert that PostgreSQL can store the letter. It has a column for each of these, and an index on the first."""
    fields = [letter.key, letter.subscription, letter.type, letter.reason, letter.error]
    for text in map(str, [*fields, *letter.headers, *letter.headers.values()]):
        assert "\0" not in text
        text.encode()
    assert len(letter.key.encode()) < 2700
    assert abs(letter.attempts) < 2**31
    assert letter.failed_at is None or letter.failed_at.astimezone(UTC)
    assert letter.body == body


async def handle(event: CartCheckedOutV1, tx: Transaction) -> None:
    raise AssertionError("nothing of this is an event")


def dead_lettered(arrived: Basic.Properties, body: bytes = b"") -> DeadLetter:
    """Return the dead letter that a consumer makes of a message that is no event."""
    found = decode_message(
        IncomingMessage(body, arrived, 1, ReplayWindow()), subscription("carts", on(CartCheckedOutV1, handle))
    )
    assert isinstance(found, UnreadableMessage)
    return found.as_dead_letter("carts")


@without_deadline
@given(properties=odd_properties(), body=st.binary(max_size=20), user=st.sampled_from(["cart", "checkout", None]))
def test_any_message_can_be_dead_lettered_and_stored(properties: Odd, body: bytes, user: str | None) -> None:
    arrived = properties.received()
    arrived.user_id = user
    dead = dead_letter_properties(dead_lettered(arrived, body), "checkout")
    assert_can_be_stored(decode_dead_letter(over_the_wire(dead), body, "checkout"), body)
    assert_can_be_stored(
        decode_dead_letter(arrived, body, "checkout"), body
    )  # from the broker, or unchanged from our own user


def a_letter(**changes: Any) -> DeadLetter:
    fields: dict[str, Any] = {
        "key": "carts/1",
        "subscription": "carts",
        "event_id": None,
        "type": None,
        "reason": "rejected",
        "error": "no",
        "attempts": 1,
        "failed_at": None,
        "headers": {},
        "body": b"",
    }
    return DeadLetter(**fields | changes)


@pytest.mark.parametrize("headers", [FULL, {f"h{number}": "\0" * 1024 for number in range(40)}])
def test_headers_that_fill_a_frame_are_cut_to_leave_room_for_our_own(headers: dict[str, str]) -> None:
    arrived = Basic.Properties(headers={**headers}, message_id="m" * 255)
    assert len(arrived.marshal()) < FRAME_BYTES
    letter = dead_lettered(arrived)
    assert letter.headers
    assert len(dead_letter_properties(letter, "checkout").marshal()) < FRAME_BYTES


@pytest.mark.parametrize("odd", ["a\0b", "half a pair: \ud800"])
def test_characters_that_cannot_be_stored_are_replaced_in_an_error(odd: str) -> None:
    properties = over_the_wire(dead_letter_properties(a_letter(error=odd), "checkout"))
    assert decode_dead_letter(properties, b"", "checkout").error == odd.replace("\0", "\ufffd").replace(
        "\ud800", "\ufffd"
    )


def test_a_long_error_is_cut_so_that_the_broker_accepts_it() -> None:
    properties = dead_letter_properties(a_letter(error="x" * 100_000), "checkout")
    assert len(decode_dead_letter(properties, b"", "checkout").error) == MAX_ERROR_CHARACTERS


def test_the_reason_given_by_another_service_is_ignored() -> None:
    properties = dead_letter_properties(a_letter(reason="rejected"), "cart")
    assert decode_dead_letter(properties, b"", "checkout").reason == "broker-unknown"


def test_a_message_that_the_broker_dead_lettered_is_stored_with_its_queue_and_reason() -> None:
    properties = Basic.Properties(
        headers={"x-first-death-queue": "checkout.carts", "x-first-death-reason": "rejected"}, user_id="cart"
    )
    letter = decode_dead_letter(properties, b"{}", "checkout")
    assert (letter.subscription, letter.reason) == ("carts", "broker-rejected")


@without_deadline
@given(
    headers=st.dictionaries(
        st.text(max_size=200),
        st.none()
        | st.booleans()
        | st.integers()
        | st.floats()
        | st.text(max_size=2000)
        | st.binary()
        | st.lists(st.text()),
        max_size=60,
    )
)
def test_kept_headers_are_few_short_and_scalar(headers: dict[str, Any]) -> None:
    kept = storable_headers(headers)
    assert len(kept) <= MAX_HEADERS
    assert not any(name.startswith(("x-", "dead_")) or is_name_too_long(name) for name in kept)
    assert all(type(value) in (str, int) for value in kept.values())
    assert not any("\0" in name or (isinstance(value, str) and "\0" in value) for name, value in kept.items())


@pytest.mark.parametrize("message_id", [None, "m"])
def test_copies_of_a_dead_letter_have_the_same_key_and_others_a_different_one(message_id: str | None) -> None:
    id = new_id()
    assert dead_letter_key("carts", id, b"a", message_id) == dead_letter_key("carts", id, b"b", "other")
    assert dead_letter_key("carts", id, b"", None) != dead_letter_key("stock", id, b"", None)
    assert dead_letter_key("carts", None, b"a", message_id) == dead_letter_key("carts", None, b"a", message_id)
    assert dead_letter_key("carts", None, b"a", message_id) != dead_letter_key("carts", None, b"b", message_id)
