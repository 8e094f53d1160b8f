"""Each malformed message is dead-lettered unchanged with its own reason, and good messages are handled."""

import json
import resource
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import aio_pika
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pamqp import encode
from pamqp.commands import Basic

from contracts.cart import CartCheckedOutV1
from infra.stack import DatabaseUrls, PrivateBroker, PrivatePostgres
from marketplace_runtime.amqp import open_channel
from marketplace_runtime.consumer import on, subscription
from marketplace_runtime.database import Transaction, new_id
from tests.integration.messaging.envelopes import good_properties
from tests.integration.messaging.operating import Operator, operating
from tests.integration.messaging.toy import PASSWORDS, Toy, a_checkout, effect, toy_world, until
from tests.unit.messaging.raw_properties import FULL, Odd, odd_properties

Change = Callable[[Basic.Properties], None]


async def handle(event: CartCheckedOutV1, tx: Transaction) -> None:
    await effect(tx, event.order_id)


TABLE = subscription("carts", on(CartCheckedOutV1, handle))


def good_body() -> dict[str, Any]:
    return json.loads(a_checkout().model_dump_json())


def header(name: str, value: Any) -> Change:
    def change(properties: Basic.Properties) -> None:
        headers = properties.headers
        assert headers is not None
        if value is None:
            del headers[name]
        else:
            headers[name] = value

    return change


def prop(name: str, value: Any) -> Change:
    return lambda properties: setattr(properties, name, value)


def both(one: Change, other: Change) -> Change:
    def change(properties: Basic.Properties) -> None:
        one(properties)
        other(properties)

    return change


def nul_in_message_id(properties: Basic.Properties) -> None:
    properties.message_id = f"a\0{properties.message_id}"


def body_without(field: str) -> bytes:
    return json.dumps({name: value for name, value in good_body().items() if name != field}).encode()


def body_with(field: str, value: Any) -> bytes:
    return json.dumps(good_body() | {field: value}).encode()


NO_EVENT = prop("content_type", "text/xml")
GOOD = json.dumps(good_body()).encode()
OLD_ID = UUID(int=(0x018000000000 << 80) | (0x7 << 76) | (0b10 << 62) | 5)

CASES: dict[str, tuple[bytes, Change | None, str]] = {
    "not JSON": (b"{'order_id':", None, "not-json"),
    "empty": (b"", None, "not-json"),
    "binary": (bytes(range(256)), None, "not-json"),
    "not UTF-8": (b'{"order_id": "\xff\xfe"}', None, "not-json"),
    "a JSON list": (b"[]", None, "invalid-body"),
    "JSON null": (b"null", None, "invalid-body"),
    "deep nesting": (b"[" * 100_000, None, "not-json"),
    "wrong type": (body_with("customer_id", 5), None, "invalid-body"),
    "text for a number": (body_with("total", {"amount": "5", "currency": "EUR"}), None, "invalid-body"),
    "negative money": (body_with("total", {"amount": -5, "currency": "EUR"}), None, "invalid-body"),
    "huge number": (body_with("total", {"amount": 10**40, "currency": "EUR"}), None, "invalid-body"),
    "not a UUID": (body_with("order_id", "1 or 1=1"), None, "invalid-body"),
    "missing field": (body_without("order_id"), None, "invalid-body"),
    "no lines": (body_with("lines", []), None, "invalid-body"),
    "too many lines": (body_with("lines", good_body()["lines"] * 51), None, "invalid-body"),
    "1 MB": (b" " * 1_000_000 + GOOD, None, "too-large"),
    "unknown type": (GOOD, header("cloudEvents_type", "cart.cart-stolen.v1"), "unknown-type"),
    "a type that is none": (GOOD, header("cloudEvents_type", "; drop table"), "bad-headers"),
    "another service's type": (GOOD, header("cloudEvents_type", "catalog.stock-reserved.v1"), "wrong-publisher"),
    "no user id": (GOOD, prop("user_id", None), "wrong-publisher"),
    "wrong content type": (GOOD, prop("content_type", "text/xml"), "wrong-content-type"),
    "no content type": (GOOD, prop("content_type", None), "wrong-content-type"),
    "no headers": (GOOD, prop("headers", None), "bad-headers"),
    "no id": (GOOD, header("cloudEvents_id", None), "bad-headers"),
    "an id that is no UUID": (GOOD, header("cloudEvents_id", "7"), "bad-headers"),
    "an id that is a number": (GOOD, header("cloudEvents_id", 7), "bad-headers"),
    "an id that is a list": (GOOD, header("cloudEvents_id", ["a"]), "bad-headers"),
    "a UUIDv4": (GOOD, header("cloudEvents_id", str(uuid4())), "unusable-id"),
    "an old UUIDv7": (GOOD, header("cloudEvents_id", str(OLD_ID)), "too-old"),
    "a future UUIDv7": (GOOD, header("cloudEvents_id", str(UUID(int=OLD_ID.int | (0xF << 124)))), "from-the-future"),
    "no time": (GOOD, header("cloudEvents_time", None), "bad-headers"),
    "a time that is none": (GOOD, header("cloudEvents_time", "yesterday"), "bad-headers"),
    "an endless header": (GOOD, header("cloudEvents_subject", "x" * 10_000), "bad-headers"),
    "NUL in a header": (GOOD, header("cloudEvents_subject", "a\0b"), "bad-headers"),
    "NUL in the message id": (GOOD, both(NO_EVENT, nul_in_message_id), "wrong-content-type"),
    "headers that fill a frame": (GOOD, both(NO_EVENT, prop("headers", {**FULL})), "wrong-content-type"),
    "headers of NUL": (
        GOOD,
        both(NO_EVENT, prop("headers", {f"h{n}": "\0" * 1024 for n in range(40)})),
        "wrong-content-type",
    ),
    "a time before the calendar": (GOOD, header("cloudEvents_time", "0001-01-01T00:00:00+14:00"), "bad-headers"),
    "another CloudEvents version": (GOOD, header("cloudEvents_specversion", "9.9"), "bad-headers"),
}


@pytest.fixture(scope="module")
async def listening(
    broker: PrivateBroker, postgres: PrivatePostgres, toy_urls: dict[str, DatabaseUrls]
) -> AsyncIterator[Toy]:
    """Run one subscription to `CartCheckedOutV1` for all tests of this module."""
    async with toy_world(broker, postgres, toy_urls) as toy, toy.running(TABLE):
        yield toy


@pytest.fixture(scope="module")
async def operator(listening: Toy) -> AsyncIterator[Operator]:
    async with operating(listening.databases[-1], TABLE) as somebody:
        yield somebody


async def dead_letter_from_event(toy: Toy, body: bytes, properties: Basic.Properties) -> tuple[str, bytes]:
    """Publish a message and then a good event, wait for both, and return the dead letter of the first.

    Asserts that the good event took effect, and that the dead letter has an error text.
    """
    dead, done = len(await toy.dead()), len(await toy.effects())
    await toy.publish_raw(body, properties)
    await toy.publish(event := a_checkout())
    await toy.until_effects(done + 1)
    await toy.until_dead(dead + 1)
    assert (event.order_id, "handled") in await toy.effects()
    [(reason, error, kept)] = await toy.rows(
        "select reason, error, body from messaging.dead_letters order by id desc limit 1"
    )
    assert error
    return reason, kept


@pytest.mark.parametrize("name", CASES)
async def test_a_malformed_message_ends_in_the_dead_letters_with_its_reason(listening: Toy, name: str) -> None:
    body, change, reason = CASES[name]
    properties = good_properties()
    if change is not None:
        change(properties)
    assert await dead_letter_from_event(listening, body, properties) == (reason, body)


async def test_odd_additional_headers_do_no_harm(listening: Toy) -> None:
    properties = good_properties()
    assert properties.headers is not None
    properties.headers |= {
        "x-death": ["nonsense"],
        "x-delivery-count": 10**6,
        "dead_key": "forged",
        "cloudEvents_traceparent": "rubbish\r\n",
        "nested": {"a": [1, {"b": None}]},
        "big": "y" * 20_000,
    }
    dead, done = len(await listening.dead()), len(await listening.effects())
    await listening.publish_raw(GOOD, properties)
    await listening.until_effects(done + 1)
    await listening.until_idle()
    assert len(await listening.dead()) == dead


def raw_table(content: bytes) -> Callable[[Any], bytes]:
    return lambda _: struct.pack(">I", len(content)) + content


def raw_text(value: Any) -> bytes:
    return b"\x02\xff\xfe" if value == "BAD" else encode.short_string(value)


def long_raw_text(value: Any) -> bytes:
    """Encode a text whose bytes each become three when decoded."""
    return b"\xff" + b"\xff" * 255 if value == "BAD" else encode.short_string(value)


def nested_arrays(depth: int) -> bytes:
    inner = b""
    for _ in range(depth):
        inner = b"A" + struct.pack(">I", len(inner)) + inner
    return inner


UNDECODABLE: dict[str, tuple[str, Callable[[Any], bytes], Change]] = {
    "a timestamp in the far future": (
        "timestamp",
        lambda _: struct.pack(">Q", 2**62),
        prop("timestamp", datetime.now(UTC)),
    ),
    "a content type that is no UTF-8": ("shortstr", raw_text, prop("content_type", "BAD")),
    "255 bytes of content type that are no UTF-8": ("shortstr", long_raw_text, prop("content_type", "BAD")),
    "255 bytes of message id that are no UTF-8": (
        "shortstr",
        long_raw_text,
        both(NO_EVENT, prop("message_id", "BAD")),
    ),
    "a header's name that is no UTF-8": ("table", raw_table(b"\x02\xff\xfeI\0\0\0\1"), prop("headers", {"a": 1})),
    "arrays in arrays": ("table", raw_table(b"\x01a" + nested_arrays(3000)), prop("headers", {"a": 1})),
}


@pytest.mark.parametrize("name", UNDECODABLE)
async def test_a_message_that_the_client_library_cannot_decode_does_not_stop_a_subscription(
    listening: Toy, name: str
) -> None:
    method, encoder, change = UNDECODABLE[name]
    properties = good_properties()
    change(properties)
    connection = await aio_pika.connect(listening.broker.urls.amqp_of("cart", PASSWORDS["cart"]))
    async with connection:
        channel = await open_channel(connection, confirms=True)
        with patch.dict(encode.METHODS, {method: encoder}):
            await channel.basic_publish(
                b"odd", exchange="cart.events", routing_key=CartCheckedOutV1.type, properties=properties
            )
    _, kept = await dead_letter_from_event(listening, b"odd too", good_properties())
    assert kept == b"odd too"
    [(letters,)] = await listening.rows("select count(*) from messaging.dead_letters where body = 'odd'")
    assert letters > list(UNDECODABLE).index(name)


@pytest.mark.parametrize("headers", [{}, {"x-first-death-queue": "a\0b" * 9000, "x-first-death-reason": "\0"}])
async def test_a_message_dead_lettered_by_the_broker_is_stored_whatever_its_headers(
    listening: Toy, headers: dict[str, Any]
) -> None:
    await require_filed_unchanged(listening, "checkout", Basic.Properties(headers=headers, message_id="a\0b"))


async def test_a_message_dead_lettered_by_another_release_is_stored_whatever_its_headers(listening: Toy) -> None:
    header_values = {"key": "carts/a\0b", "error": "\0", "reason": "a\0", "attempts": "three", "failed_at": "once"}
    headers: Any = {f"dead_{name}": value for name, value in header_values.items()}
    await require_filed_unchanged(listening, "checkout", Basic.Properties(headers=headers, user_id="checkout"))


async def require_filed_unchanged(toy: Toy, user: str, properties: Basic.Properties) -> None:
    """Publish a message to the dead-letter exchange, and assert that it is stored unchanged."""
    body = new_id().bytes
    await publish_all(toy, user, f"{user}.dead", [(body, properties)])
    await until_filed(toy, [body])


async def publish_all(toy: Toy, user: str, exchange: str, messages: Sequence[tuple[bytes, Basic.Properties]]) -> None:
    connection = await aio_pika.connect(toy.broker.urls.amqp_of(user, PASSWORDS[user]))
    async with connection:
        channel = await open_channel(connection, confirms=True)
        for body, properties in messages:
            await channel.basic_publish(
                body, exchange=exchange, routing_key=CartCheckedOutV1.type, properties=properties
            )


async def until_filed(toy: Toy, bodies: Sequence[bytes]) -> list[int]:
    """Wait until the dead letters are stored, and assert that each is there once. Returns their ids."""

    async def filed() -> dict[int, bytes]:
        find = "select id, body from messaging.dead_letters where body = any($1::bytea[])"
        return dict(await toy.rows(find, list(bodies)))

    async def all_are() -> bool:
        return len(await filed()) >= len(bodies)

    await until(all_are)
    await toy.until_idle()
    found = await filed()
    assert Counter(found.values()) == Counter(bodies)
    return list(found)


@settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(drawn=st.lists(odd_properties(), min_size=1, max_size=20))
async def test_any_message_is_stored_once_and_can_be_shown_and_discarded(
    listening: Toy, operator: Operator, drawn: list[Odd]
) -> None:
    messages = [(new_id().bytes, properties) for properties in drawn]
    await publish_all(listening, "cart", "cart.events", messages)
    ids = await until_filed(listening, [body for body, _ in messages])
    done = len(await listening.effects())
    await listening.publish(a_checkout())
    await listening.until_effects(done + 1)
    for id in ids:
        assert (await operator.get(f"dead-letters/{id}"))["size"] == 16
    assert len((await operator.post("replays", ids=ids))["refused"]) == len(ids)
    assert (await operator.post("discards", ids=ids, note="odd"))["settled"] == len(ids)


async def test_two_hundred_malformed_messages_leave_the_consumer_healthy(listening: Toy) -> None:
    toy = listening
    names = list(CASES)
    expected = Counter(CASES[names[i % len(names)]][2] for i in range(200))
    dead, done = len(await toy.dead()), len(await toy.effects())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    messages = []
    for i in range(200):
        body, change, _ = CASES[names[i % len(names)]]
        properties = good_properties()
        if change is not None:
            change(properties)
        messages.append((body, properties))
    await publish_all(toy, "cart", "cart.events", messages)
    await toy.publish(*(a_checkout() for _ in range(50)))
    await toy.until_effects(done + 50)
    await toy.until_dead(dead + 200)
    await toy.until_idle()
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert Counter(reason for _, reason, _, _ in (await toy.dead())[dead:]) == expected
    assert grown_kib < 64 * 1024
