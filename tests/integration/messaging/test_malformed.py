"""Rubbish in a queue: each message ends in the dead letters with its own reason, untouched; good ones flow."""

import json
import resource
import struct
from collections import Counter
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from typing import Any
from unittest.mock import patch
from uuid import UUID, uuid4

import aio_pika
import pytest
from pamqp import encode
from pamqp.commands import Basic

from contracts import Envelope
from contracts.cart import CartCheckedOutV1
from infra.local import PrivateBroker, PrivatePostgres
from infra.messaging import on, subscription
from infra.messaging.connection import open_channel
from infra.messaging.wire import properties_of
from infra.storage import Transaction, new_id
from infra.telemetry import new_traceparent
from tests.integration.messaging.toy import PASSWORDS, Toy, a_checkout, effect, toy_world

Change = Callable[[Basic.Properties], None]


async def handle(event: CartCheckedOutV1, tx: Transaction) -> None:
    await effect(tx, event.order_id)


TABLE = subscription("carts", on(CartCheckedOutV1, handle))


def good_body() -> dict[str, Any]:
    return json.loads(a_checkout().model_dump_json())


def good_properties() -> Basic.Properties:
    envelope = Envelope(new_id(), CartCheckedOutV1.type, "cart", "x", datetime.now(UTC), new_traceparent())
    return properties_of(envelope, "cart")


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


def nul_in_its_key(properties: Basic.Properties) -> None:
    """Without an event's id, the message's own id tells its dead letter apart."""
    header("cloudEvents_id", None)(properties)
    properties.message_id = f"a\0{properties.message_id}"


def body_without(field: str) -> bytes:
    return json.dumps({name: value for name, value in good_body().items() if name != field}).encode()


def body_with(field: str, value: Any) -> bytes:
    return json.dumps(good_body() | {field: value}).encode()


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
    "an old UUIDv7": (GOOD, header("cloudEvents_id", str(OLD_ID)), "unusable-id"),
    "a future UUIDv7": (GOOD, header("cloudEvents_id", str(UUID(int=OLD_ID.int | (0xF << 124)))), "unusable-id"),
    "no time": (GOOD, header("cloudEvents_time", None), "bad-headers"),
    "a time that is none": (GOOD, header("cloudEvents_time", "yesterday"), "bad-headers"),
    "an endless header": (GOOD, header("cloudEvents_subject", "x" * 10_000), "bad-headers"),
    "NUL in a header": (GOOD, header("cloudEvents_subject", "a\0b"), "bad-headers"),
    "NUL in its message id": (GOOD, nul_in_its_key, "bad-headers"),
    "another CloudEvents version": (GOOD, header("cloudEvents_specversion", "9.9"), "bad-headers"),
}


@pytest.fixture(scope="module")
async def listening(
    broker: PrivateBroker, postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory
) -> AsyncIterator[Toy]:
    """One world in which a subscription hears `CartCheckedOutV1` during all of this module's tests."""
    async with toy_world(broker, postgres, tmp_path_factory.mktemp("toy")) as toy, toy.running(TABLE):
        yield toy


async def letter_of(toy: Toy, body: bytes, properties: Basic.Properties) -> tuple[str, bytes]:
    """Publish a message and then a good event; the dead letter that the first became, once both are settled."""
    dead, done = len(await toy.dead()), len(await toy.effects())
    await toy.publish_raw(body, properties)
    await toy.say(event := a_checkout())
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
    assert await letter_of(listening, body, properties) == (reason, body)


async def test_odd_headers_beside_good_ones_do_no_harm(listening: Toy) -> None:
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
    "a header's name that is no UTF-8": ("table", raw_table(b"\x02\xff\xfeI\0\0\0\1"), prop("headers", {"a": 1})),
    "arrays in arrays": ("table", raw_table(b"\x01a" + nested_arrays(3000)), prop("headers", {"a": 1})),
}


@pytest.mark.parametrize("name", UNDECODABLE)
async def test_what_the_client_library_cannot_decode_does_not_stop_a_subscription(listening: Toy, name: str) -> None:
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
    _, kept = await letter_of(listening, b"odd too", good_properties())
    assert kept == b"odd too"
    [(letters,)] = await listening.rows("select count(*) from messaging.dead_letters where body = 'odd'")
    assert letters > list(UNDECODABLE).index(name)


async def test_two_hundred_malformed_messages_leave_the_consumer_well(listening: Toy) -> None:
    toy = listening
    names = list(CASES)
    expected = Counter(CASES[names[i % len(names)]][2] for i in range(200))
    dead, done = len(await toy.dead()), len(await toy.effects())
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    connection = await aio_pika.connect(toy.broker.urls.amqp_of("cart", PASSWORDS["cart"]))
    async with connection:
        channel = await open_channel(connection, confirms=True)
        for i in range(200):
            body, change, _ = CASES[names[i % len(names)]]
            properties = good_properties()
            if change is not None:
                change(properties)
            await channel.basic_publish(
                body, exchange="cart.events", routing_key=CartCheckedOutV1.type, properties=properties
            )
    await toy.say(*(a_checkout() for _ in range(50)))
    await toy.until_effects(done + 50)
    await toy.until_dead(dead + 200)
    await toy.until_idle()
    grown_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert Counter(reason for _, reason, _, _ in (await toy.dead())[dead:]) == expected
    assert grown_kib < 64 * 1024
