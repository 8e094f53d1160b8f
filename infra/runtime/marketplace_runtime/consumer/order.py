"""Orders by key: handles the events of one key one after the other, across retries and replicas.

Use it (`subscription(…, ordered_by="order_id")`) if a later event must not be handled before an earlier one of the
same key that has failed. Avoid it if handlers compare versions or states, as most do. It has two costs: one replica
at a time consumes an ordered subscription, and a failed event holds up all later ones of its key.

The broker delivers an ordered queue's messages in order to one consumer at a time (single active consumer).
The worker processes them in that order. An event that has to wait goes to the end of its key's queue in the schedule:

- A failed event is the head of that queue until it is handled. If it is dead-lettered, it stays the head until an
  operator redrives or discards it.
- Later events of the same key are parked behind the head. Other keys are not held up.
"""

from collections import deque
from collections.abc import Sequence
from datetime import timedelta

from marketplace_runtime.amqp import InvalidMessage
from marketplace_runtime.consumer import inbox, poison_counter
from marketplace_runtime.consumer.batch import Batch
from marketplace_runtime.consumer.delivery import SUSPECT_AFTER_DEATHS, Delivery
from marketplace_runtime.consumer.subscriptions import OrderedBy, Subscription
from marketplace_runtime.database import ScheduleEntry, Transaction
from marketplace_runtime.scheduler import key_queue
from marketplace_runtime.scheduler import table as scheduled

MAX_KEY_CHARACTERS = 255


class OrderByKey:
    """Runs the ordering stage of one ordered subscription."""

    def __init__(self, subscription: Subscription, ordered_by: OrderedBy) -> None:
        self._name, self._batch_size, self._ordered_by = subscription.name, subscription.batch, ordered_by

    async def __call__(self, tx: Transaction, batch: Batch) -> None:
        """Keep the deliveries whose turn it is, in their order. Park the others in the queue of their key.

        When the head of a key's queue goes on to its handler, the next entries of the key become due.
        """
        # A suspect is run alone. The process has survived that run up to here, so the suspect's counter is reset.
        # `Deduplicate` does so, too, but a suspect that is parked now does not get there.
        await poison_counter.reset(tx, self._name, batch.deliveries)
        admitted = await self._admit(tx, batch.deliveries)
        leaving = [each.key for each in admitted if each.in_key_queue and each.key is not None]
        if leaving:
            await key_queue.make_next_due(tx, self._name, leaving, self._batch_size)
        batch.deliveries = admitted

    async def _admit(self, tx: Transaction, deliveries: Sequence[Delivery]) -> list[Delivery]:
        for delivery in deliveries:
            if delivery.key is None:
                delivery.key = ordering_key_of(delivery, self._ordered_by)
        keys = [each.key for each in deliveries if each.key is not None]
        queues = await key_queue.find_first(tx, self._name, keys, len(deliveries))
        # Usually nothing is queued and nothing has to be parked. Then no locks are taken. Otherwise the queues are read
        # again under their locks.
        if not queues and not any(each.in_key_queue or each.is_suspect for each in deliveries):
            return list(deliveries)
        await key_queue.lock(tx, self._name, keys)
        queues = await key_queue.find_first(tx, self._name, keys, len(deliveries))
        return await self._admit_or_park(tx, deliveries, {key: deque(ids) for key, ids in queues.items()})

    async def _admit_or_park(
        self, tx: Transaction, deliveries: Sequence[Delivery], queues: dict[str, deque[int]]
    ) -> list[Delivery]:
        """Return the deliveries that may run now, and park the others.

        `queues` has the entries that are queued for each key, the oldest first.
        """
        admitted: list[Delivery] = []
        parked: list[ScheduleEntry] = []
        replaced_ids: list[int] = []
        early_ids: list[int] = []
        for delivery in deliveries:
            if delivery.key is None:
                admitted.append(delivery)
                continue
            queue = queues.setdefault(delivery.key, deque())
            if delivery.in_key_queue and queue and queue[0] == delivery.entry_id:
                queue.popleft()
                admitted.append(delivery)
            elif delivery.in_key_queue:
                early_ids += [delivery.entry_id or 0]
            elif queue or (delivery.is_suspect and delivery.message is not None):
                # A suspect from the broker is always parked: the scheduler will hand it over to be run alone.
                parked.append(self._parked_entry(delivery, None if queue else timedelta(0)))
                queue.append(NEW_ENTRY_ID)
                replaced_ids += [] if delivery.entry_id is None else [delivery.entry_id]
            else:
                admitted.append(delivery)
        if parked:
            await key_queue.append(tx, parked)
        if replaced_ids:
            await scheduled.remove(tx, replaced_ids)
        if early_ids:
            await key_queue.park_again(tx, early_ids)  # skips rows that another process has removed meanwhile
        return admitted

    async def store_failed(self, tx: Transaction, delivery: Delivery, entry: ScheduleEntry) -> bool:
        """Store a failed delivery as `entry` in the queue of its key: to run later, or as dead.

        The head of the queue keeps its place. Returns False if another process has handled the event meanwhile.
        """
        await key_queue.lock(tx, self._name, [entry.key or ""])
        if delivery.in_key_queue and delivery.entry_id is not None:
            await key_queue.update_in_place(tx, delivery.entry_id, entry)
            return True
        if delivery.entry_id is not None:
            await scheduled.remove(tx, [delivery.entry_id])
        if await inbox.find_handled(tx, self._name, [entry.envelope.id]):
            return False
        await key_queue.append(tx, [entry])
        return True

    def _parked_entry(self, delivery: Delivery, delay: timedelta | None) -> ScheduleEntry:
        """Return the schedule entry of a parked delivery.

        It is due after `delay`, or, if that is None, once the entries before it have left the queue. A suspected poison
        message keeps its suspicion, so that it is run alone when its turn comes.
        """
        return ScheduleEntry(
            subscription=self._name,
            envelope=delivery.envelope,
            body=delivery.body,
            delay=delay,
            attempt=delivery.attempt,
            why="parked",
            failed_at=delivery.failed_at,
            key=delivery.key,
            deaths=SUSPECT_AFTER_DEATHS if delivery.is_suspect else 0,
        )


NEW_ENTRY_ID = 0
"""Stands for an entry that was just appended to a key's queue, and whose id is not known."""


def ordering_key_of(delivery: Delivery, ordered_by: OrderedBy) -> str | None:
    """Return the ordering key of a delivery, or None if it is handled without ordering.

    The key is None for a body that does not fit its type, which will be dead-lettered. It is also None for an unknown
    version, which would hold up the known ones. If `ordered_by` is the field that identifies the event's aggregate, the
    key is the envelope's subject, so the body is not parsed. Raises `InvalidMessage` if the key is too long or contains
    NUL.
    """
    if delivery.envelope.type != delivery.reaction.event.type:
        return None
    if ordered_by == delivery.reaction.event.key:
        return delivery.envelope.subject
    try:
        event = delivery.event
    except InvalidMessage:
        return None
    key = str(getattr(event, ordered_by) if isinstance(ordered_by, str) else ordered_by(event))
    if len(key) > MAX_KEY_CHARACTERS or "\0" in key:
        raise InvalidMessage(
            "bad-key", f"the ordering key must have at most {MAX_KEY_CHARACTERS} characters and no NUL"
        )
    return key
