"""Settles dead letters: redrives, edits or discards them for an operator.

A letter leaves the table in the transaction that settles it. So if two operators settle it at once, only one succeeds.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from marketplace_runtime.consumer import inbox
from marketplace_runtime.database import ScheduleEntry, Transaction, has_daily_partition
from marketplace_runtime.dead_letters import table
from marketplace_runtime.dead_letters.table import StoredDeadLetter
from marketplace_runtime.scheduler import key_queue


class CannotRedrive(Exception):
    """Raised if the letter is not an event that its subscription accepts. The message gives the reason and a remedy."""


async def redrive(tx: Transaction, entries: Mapping[int, ScheduleEntry], *, by: str) -> None:
    """Hand each letter to the one subscription that failed. `entries` are by letter id.

    The poison counter of a suspected poison message starts again at 0.
    """
    await _schedule_now(tx, list(entries.values()))
    await table.settle(tx, list(entries), "replayed", by=by)


async def edit(tx: Transaction, id: int, entry: ScheduleEntry, *, by: str, note: str) -> None:
    """Hand one letter to its subscription as the changed `entry`. The original is stored with the settled letters."""
    await _schedule_now(tx, [entry])
    await table.settle(tx, [id], "edited", by=by, note=note)


async def discard(tx: Transaction, letters: Sequence[StoredDeadLetter], *, by: str, note: str) -> None:
    """Move letters to the settled letters, with the operator and the reason.

    If a letter blocked the key queue of an ordered subscription, the queue continues. The inbox lists the events as
    handled, so publishing them again changes nothing.
    """
    ids: defaultdict[str, list[UUID]] = defaultdict(list)
    for each in letters:
        if each.letter.event_id is not None:
            ids[each.letter.subscription].append(each.letter.event_id)
    for subscription in sorted(ids):
        await key_queue.remove_dead_heads(tx, subscription, ids[subscription])
        # The inbox has no partition for an id that is too old, in the future or no UUIDv7. The consumer refuses it.
        deliverable = [id for id in ids[subscription] if has_daily_partition(id, tx.now)]
        await inbox.enter(tx, subscription, deliverable, [1] * len(deliverable))
    await table.settle(tx, [each.id for each in letters], "discarded", by=by, note=note)


async def _schedule_now(tx: Transaction, entries: Sequence[ScheduleEntry]) -> None:
    """Schedule entries to run now.

    If a dead letter is the head of its key queue, its row there becomes due again. All others become new entries.
    """
    for subscription in sorted({each.subscription for each in entries}):
        theirs = [each for each in entries if each.subscription == subscription]
        heads = await key_queue.redrive_heads(tx, subscription, {each.envelope.id: each.body for each in theirs})
        for entry in theirs:
            if entry.envelope.id not in heads:
                tx.schedule_entry(entry)
