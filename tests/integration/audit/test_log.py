"""The audit's own capture of the log, with a real stream, as the user that may only read."""

from collections.abc import Callable, Iterator

import pika
import pika.exceptions
import pytest
import uuid_utils.compat
from pika.adapters.blocking_connection import BlockingChannel

from contracts.naming import MARKETPLACE
from infra.lab.audit import log as capture
from infra.lab.audit.log import LOG, PREFETCH, Said, read_log
from infra.stack import PrivateBroker
from marketplace_runtime.topology import Wiring, apply, definitions

PASSWORDS = {"cart": "cart-secret", "audit": "audit-secret"}


@pytest.fixture
async def auditor(broker: PrivateBroker) -> str:
    """The auditor's address of a broker whose log is empty."""
    connection = pika.BlockingConnection(pika.URLParameters(broker.urls.amqp))
    connection.channel().queue_delete(LOG)
    connection.close()
    await apply.declare(broker.urls.management, definitions([Wiring("cart", {})], PASSWORDS, MARKETPLACE))
    return broker.urls.amqp_of("audit", PASSWORDS["audit"])


@pytest.fixture
def cart(broker: PrivateBroker, auditor: str) -> Iterator[BlockingChannel]:
    """A channel of the user `cart`, with confirms."""
    connection = pika.BlockingConnection(pika.URLParameters(broker.urls.amqp_of("cart", PASSWORDS["cart"])))
    channel = connection.channel()
    channel.confirm_delivery()
    yield channel
    connection.close()


def say(channel: BlockingChannel, body: bytes, **headers: str) -> None:
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


async def test_a_log_in_which_nothing_was_said_is_empty(auditor: str) -> None:
    log = read_log(auditor)
    assert (log.events, log.strange) == ({}, [])


async def test_every_message_is_read_once_from_the_first_to_the_last(auditor: str, cart: BlockingChannel) -> None:
    for number in range(PREFETCH + 7):  # more than is sent at a time
        say(cart, str(number).encode(), **an_event())
    log = read_log(auditor)
    assert [said.raw for said in log.events.values()] == [str(number).encode() for number in range(PREFETCH + 7)]
    assert {said.copies for said in log.events.values()} == {1}
    assert read_log(auditor).events.keys() == log.events.keys()


@pytest.mark.slow
async def test_a_log_of_several_segments_is_read_whole(auditor: str, cart: BlockingChannel) -> None:
    for number in range(50):  # of which the broker puts 20 MB into a segment, and a note of its own before the next
        say(cart, str(number).encode().ljust(1_000_000), **an_event())
    assert [int(said.raw) for said in read_log(auditor).events.values()] == list(range(50))


@pytest.mark.slow
async def test_what_is_said_while_the_reading_ends_spoils_nothing(
    auditor: str, cart: BlockingChannel, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end_and_go_on(url: str) -> int:
        end = found_end(url)
        for _ in range(3 * PREFETCH):
            say(cart, b"late", **an_event())
        return end

    found_end = capture._end
    say(cart, b"early", **an_event())
    monkeypatch.setattr(capture, "_end", end_and_go_on)
    assert [said.raw for said in read_log(auditor).events.values()] == [b"early"]


async def test_copies_and_what_is_no_event_are_told_apart(auditor: str, cart: BlockingChannel) -> None:
    event = an_event()
    for body in (b"{}", b"{}", b'{"a": 1}'):
        say(cart, body, **event)
    say(cart, b"{", id="none")
    log = read_log(auditor)
    [said] = log.events.values()
    assert isinstance(said, Said)
    assert (said.copies, len(said.digests), said.user) == (3, 2, "cart")
    [strange] = log.strange
    assert strange.publisher == "cart"


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
async def test_the_auditor_may_only_read_the_log(auditor: str, attempt: Callable[[BlockingChannel], object]) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(auditor))
    channel = connection.channel()
    channel.confirm_delivery()
    try:
        with pytest.raises(pika.exceptions.ChannelClosedByBroker, match="ACCESS_REFUSED"):
            attempt(channel)
    finally:
        connection.close()
