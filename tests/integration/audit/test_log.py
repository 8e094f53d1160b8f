"""The audit reads a real log stream as a user with read permission only."""

from collections.abc import Callable, Iterator

import pika
import pika.exceptions
import pytest
import uuid_utils.compat
from pika.adapters.blocking_connection import BlockingChannel

from contracts.naming import MARKETPLACE
from infra.lab.audit import log as capture
from infra.lab.audit.log import LOG, PREFETCH, PublishedEvent, read_log
from infra.stack import PrivateBroker
from marketplace_runtime.topology import Wiring, apply, definitions

PASSWORDS = {"cart": "cart-secret", "audit": "audit-secret"}


@pytest.fixture
async def auditor(broker: PrivateBroker) -> str:
    """Return the auditor's AMQP URL of a broker whose log stream is empty."""
    connection = pika.BlockingConnection(pika.URLParameters(broker.urls.amqp))
    connection.channel().queue_delete(LOG)
    connection.close()
    await apply.declare(broker.urls.management, definitions([Wiring("cart", {})], PASSWORDS, MARKETPLACE))
    return broker.urls.amqp_of("audit", PASSWORDS["audit"])


@pytest.fixture
def cart(broker: PrivateBroker, auditor: str) -> Iterator[BlockingChannel]:
    """Open a channel as the user `cart`, with publisher confirms."""
    connection = pika.BlockingConnection(pika.URLParameters(broker.urls.amqp_of("cart", PASSWORDS["cart"])))
    channel = connection.channel()
    channel.confirm_delivery()
    yield channel
    connection.close()


def publish(channel: BlockingChannel, body: bytes, **headers: str) -> None:
    named = {f"cloudEvents_{name}": value for name, value in headers.items()}
    properties = pika.BasicProperties(headers=named, user_id="cart")
    channel.basic_publish("cart.events", "cart.cart-abandoned.v1", body, properties)


def an_event() -> dict[str, str]:
    return {
        "id": str(uuid_utils.compat.uuid7()),
        "type": "cart.cart-abandoned.v1",
        "subject": "ada",
        "time": "2026-01-01T12:00:00+00:00",
    }


async def test_a_log_without_messages_reads_as_empty(auditor: str) -> None:
    log = read_log(auditor)
    assert (log.events, log.invalid_messages) == ({}, [])


async def test_every_message_is_read_once_in_order(auditor: str, cart: BlockingChannel) -> None:
    for number in range(PREFETCH + 7):  # more than the prefetch limit
        publish(cart, str(number).encode(), **an_event())
    log = read_log(auditor)
    assert [message.raw for message in log.events.values()] == [str(number).encode() for number in range(PREFETCH + 7)]
    assert {message.copies for message in log.events.values()} == {1}
    assert read_log(auditor).events.keys() == log.events.keys()


@pytest.mark.slow
async def test_a_log_of_several_segments_is_read_completely(auditor: str, cart: BlockingChannel) -> None:
    for number in range(50):  # a segment holds 20 MB; the broker starts the next one with an entry of its own
        publish(cart, str(number).encode().ljust(1_000_000), **an_event())
    assert [int(message.raw) for message in read_log(auditor).events.values()] == list(range(50))


@pytest.mark.slow
async def test_messages_published_while_reading_ends_do_no_harm(
    auditor: str, cart: BlockingChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end_and_go_on(url: str) -> int:
        end = found_end(url)
        for _ in range(3 * PREFETCH):
            publish(cart, b"late", **an_event())
        return end

    found_end = capture._end
    publish(cart, b"early", **an_event())
    monkeypatch.setattr(capture, "_end", end_and_go_on)
    assert [message.raw for message in read_log(auditor).events.values()] == [b"early"]


async def test_duplicates_and_messages_that_are_no_events_are_distinguished(
    auditor: str, cart: BlockingChannel
) -> None:
    event = an_event()
    for body in (b"{}", b"{}", b'{"a": 1}'):
        publish(cart, body, **event)
    publish(cart, b"{", id="none")
    log = read_log(auditor)
    [message] = log.events.values()
    assert isinstance(message, PublishedEvent)
    assert (message.copies, len(message.digests), message.user) == (3, 2, "cart")
    [invalid_message] = log.invalid_messages
    assert invalid_message.publisher == "cart"


@pytest.mark.parametrize(
    "attempt",
    [
        lambda channel: channel.basic_publish("cart.events", "x", b"{}"),
        lambda channel: channel.queue_purge("cart.dead"),
        lambda channel: channel.queue_delete(LOG),
        lambda channel: channel.queue_bind(LOG, "cart.events", "x"),
        lambda channel: channel.basic_get("cart.dead"),
        lambda channel: channel.queue_declare("audit.own"),
    ],
)
async def test_the_audit_user_has_read_permission_only(
    auditor: str, attempt: Callable[[BlockingChannel], object]
) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(auditor))
    channel = connection.channel()
    channel.confirm_delivery()
    try:
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="ACCESS_REFUSED"):
            attempt(channel)
    finally:
        connection.close()
