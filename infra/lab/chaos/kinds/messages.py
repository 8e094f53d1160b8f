"""Faults of messages: duplicated, delayed, reordered, poison and malformed ones."""

import asyncio
import logging
import random
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import uuid4
from zlib import crc32

import pika
import uuid_utils
from pika.adapters.blocking_connection import BlockingChannel
from pika.exceptions import AMQPError

from infra.lab.chaos.fault import Fault, Kind, ResourceNeeds
from infra.lab.chaos.polling import poll_until_truthy
from infra.lab.chaos.site import Site
from infra.stack import Passwords

BUCKETS = 16
"""Number of buckets of the outbox. An event's bucket is the CRC-32 of its subject, modulo this."""
SELECT_LATEST = """
select event_id, type, subject from messaging.outbox o
where not exists (select from messaging.outbox_pending p where (p.event_id, p.type) = (o.event_id, o.type))
order by event_id desc limit $1
"""
INSERT_PENDING = "insert into messaging.outbox_pending (event_id, type, bucket) values ($1, $2, $3)"
PREFETCH = 50
RECONNECT_AFTER_S = 0.5

logging.getLogger("pika").setLevel(logging.CRITICAL)  # pika also raises the errors that it logs


class MessageFault(Kind):
    """A fault of the messages that one service publishes or receives."""

    def parts(self, services: Sequence[str]) -> list[str]:
        return list(services)

    def needed_resources(self, part: str) -> ResourceNeeds:
        return ResourceNeeds(
            exclusive=frozenset({f"{part}:messages"}), shared=frozenset({"broker", part, f"{part}-db"})
        )

    async def end(self, site: Site, fault: Fault) -> None:
        await site.release(fault.id)


class Duplicated(MessageFault):
    """Publishes the service's latest events again, as after a crash between confirm and commit."""

    name = "duplicated"
    about = "A service's latest events are published again."
    is_momentary = True

    @property
    def defaults(self) -> dict[str, float]:
        return {"events": 50}

    async def begin(self, site: Site, fault: Fault) -> None:
        async with site.database(f"{fault.part}-db") as database, database.transaction():
            rows = await poll_until_truthy(lambda: database.fetch(SELECT_LATEST, int(self.option(fault, "events"))))
            again = [(row["event_id"], row["type"], _bucket(row["subject"])) for row in reversed(rows)]
            await database.executemany(INSERT_PENDING, again)
        site.notes[fault.id] = f"{len(rows)} event{'' if len(rows) == 1 else 's'} published again" if rows else ""


class Poison(MessageFault):
    """Publishes, as the service, an event of a known type with an invalid body."""

    name = "poison"
    about = "A service publishes an event with an invalid body."
    is_momentary = True

    async def begin(self, site: Site, fault: Fault) -> None:
        owner, [type, *_] = fault.part, await _subscribed_types(site, fault.part)
        event_id = str(uuid_utils.uuid7())
        headers = {
            "specversion": "1.0",
            "id": event_id,
            "type": type,
            "source": owner,
            "subject": f"poison-{fault.id}",
            "time": datetime.now(UTC).isoformat(),
            "traceparent": f"00-{uuid4().hex}-0000000000000001-01",
        }
        properties = pika.BasicProperties(
            content_type="application/json",
            delivery_mode=2,
            headers={f"cloudEvents_{name}": value for name, value in headers.items()},
            message_id=event_id,
            user_id=owner,
        )
        await asyncio.to_thread(_publish, _amqp_url(site, owner), f"{owner}.events", type, properties)
        site.notes[fault.id] = f"invalid {type} published: {event_id}"


class Malformed(MessageFault):
    """Publishes bytes that are no event to the exchange of the service."""

    name = "malformed"
    about = "Messages that are no events are published to a service's exchange."
    is_momentary = True

    async def begin(self, site: Site, fault: Fault) -> None:
        api = f"{site.state.broker['management']}/api"
        message = {
            "properties": {"content_type": "application/json"},
            "payload": f"{{{fault.id}",
            "payload_encoding": "string",
        }
        answers = [
            await site.request(
                "POST", f"{api}/exchanges/%2F/{fault.part}.events/publish", message | {"routing_key": type}
            )
            for type in await _subscribed_types(site, fault.part)
        ]
        routed = sum(answer["routed"] for answer in answers)
        site.notes[fault.id] = f"{routed} messages routed" if routed else ""


@dataclass(frozen=True)
class HeldMessages(MessageFault):
    """Takes messages from a service's queues with another consumer, and returns them after a while."""

    name: str
    about: str
    hold_s: float
    """Maximum seconds for which messages are kept. They are returned earlier when the fault ends."""
    shuffled: bool

    outlives_process = False
    duration_range_s = (4.0, 8.0)

    def needed_resources(self, part: str) -> ResourceNeeds:
        """Also need progress of orders: without it, there are no messages to hold."""
        needed = super().needed_resources(part)
        return replace(needed, shared=needed.shared | {"orders"})

    async def begin(self, site: Site, fault: Fault) -> None:
        management = site.state.broker["management"]
        listed = await site.request("GET", f"{management}/api/queues?columns=name")
        own = [each["name"] for each in listed if each["name"].startswith(f"{fault.part}.")]
        queues = [name for name in own if name != f"{fault.part}.dead"]
        url = _amqp_url(site, fault.part)
        fault_ended = threading.Event()

        def note(taken: int) -> None:
            site.notes[fault.id] = f"{taken} deliveries held back" if taken else ""

        holding = asyncio.create_task(asyncio.to_thread(self._hold, url, queues, fault_ended, note))

        async def give_back() -> None:
            fault_ended.set()
            await asyncio.wait({holding}, timeout=10)
            if holding.done() and (error := holding.exception()) is not None:
                site.failures[fault.id] = f"the consumer that held the messages failed: {type(error).__name__}: {error}"

        site.exit_stack_of(fault.id).push_async_callback(give_back)

    def _hold(self, url: str, queues: Sequence[str], fault_ended: threading.Event, note: Callable[[int], None]) -> None:
        """Take messages and return them, until `fault_ended` is set.

        If the connection is lost, the broker redelivers what is held. This consumer connects again after a pause.
        """
        held: list[int] = []
        taken = 0
        while not fault_ended.is_set():
            try:
                with pika.BlockingConnection(pika.URLParameters(url)) as connection:
                    channel = _consume(connection, queues, held)
                    while not fault_ended.is_set():
                        self._wait_holding(connection, fault_ended)
                        taken += len(held)
                        note(taken)
                        self._give_back(channel, held)
            except (AMQPError, OSError):
                taken += len(held)
                note(taken)
                held.clear()
                fault_ended.wait(RECONNECT_AFTER_S)

    def _wait_holding(self, connection: pika.BlockingConnection, fault_ended: threading.Event) -> None:
        kept_s = 0.0
        while kept_s < self.hold_s and not fault_ended.is_set():
            connection.process_data_events(time_limit=0.2)
            kept_s += 0.2

    def _give_back(self, channel: BlockingChannel, held: list[int]) -> None:
        tags = random.sample(held, k=len(held)) if self.shuffled else held.copy()
        held.clear()
        for tag in tags:
            channel.basic_nack(tag, requeue=True)


def _consume(connection: pika.BlockingConnection, queues: Sequence[str], held: list[int]) -> BlockingChannel:
    """Consume from the queues, and collect the delivery tags in `held`."""
    channel = connection.channel()
    channel.basic_qos(prefetch_count=PREFETCH)
    for queue in queues:
        channel.basic_consume(queue, lambda _, method, *__: held.append(method.delivery_tag))
    return channel


async def _subscribed_types(site: Site, publisher: str) -> list[str]:
    """Return the event types of a publisher that have subscribers.

    If there are none, returns an invented type, which only the log stream receives.
    """
    api = f"{site.state.broker['management']}/api/exchanges/%2F/{publisher}.events/bindings/source"
    types = {each["routing_key"] for each in await site.request("GET", api)} - {"#"}
    return sorted(types) or [f"{publisher}.nothing.v1"]


def _amqp_url(site: Site, service: str) -> str:
    """Return the AMQP URL of the broker, with the service's own credentials."""
    where = urlsplit(site.state.broker["amqp"])
    password = Passwords(site.layout.passwords).of(f"broker-{service}")
    return f"amqp://{service}:{password}@{where.hostname}:{where.port}/%2F"


def _publish(url: str, exchange: str, key: str, properties: pika.BasicProperties) -> None:
    connection = pika.BlockingConnection(pika.URLParameters(url))
    channel = connection.channel()
    channel.confirm_delivery()
    channel.basic_publish(exchange, key, b'{"poison": true}', properties, mandatory=True)
    connection.close()


def _bucket(subject: str) -> int:
    return crc32(subject.encode()) % BUCKETS


KINDS = (
    Duplicated(),
    Poison(),
    Malformed(),
    HeldMessages("delayed", "Some messages for a service arrive seconds late.", hold_s=3.0, shuffled=False),
    HeldMessages("reordered", "Some messages for a service arrive in another order.", hold_s=0.6, shuffled=True),
)
