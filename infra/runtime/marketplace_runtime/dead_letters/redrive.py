"""What operators do with dead letters: redrive, edit or discard them.

A letter leaves the table in the transaction that settles it, so if two people settle it at once, one of them does.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

from marketplace_runtime.consumer import inbox
from marketplace_runtime.database import Entry, Transaction, has_partition
from marketplace_runtime.dead_letters import table
from marketplace_runtime.dead_letters.table import Kept
from marketplace_runtime.scheduler import key_queue


class CannotRedrive(Exception):
    """This letter is not an event that its subscription accepts. The message says why, and what to do."""


async def redrive(tx: Transaction, entries: Mapping[int, Entry], *, by: str) -> None:
    """Hand letters, by their ids, to the one subscription that failed; a suspect gets a fresh start."""
    await _hand_over(tx, list(entries.values()))
    await table.settle(tx, list(entries), "replayed", by=by)


async def edit(tx: Transaction, id: int, entry: Entry, *, by: str, note: str) -> None:
    """Hand one letter over as `entry`; what it was before is kept."""
    await _hand_over(tx, [entry])
    await table.settle(tx, [id], "edited", by=by, note=note)


async def discard(tx: Transaction, letters: Sequence[Kept], *, by: str, note: str) -> None:
    """Take letters off the file; they are kept with who did it and why.

    Lines that they held go on, and the inbox has their events as done: publishing them again changes nothing.
    """
    ids: defaultdict[str, list[UUID]] = defaultdict(list)
    for each in letters:
        if each.letter.event_id is not None:
            ids[each.letter.subscription].append(each.letter.event_id)
    for subscription in sorted(ids):
        await key_queue.release(tx, subscription, ids[subscription])
        deliverable = [id for id in ids[subscription] if has_partition(id, tx.now)]
        await inbox.enter(tx, subscription, deliverable, [1] * len(deliverable))
    await table.settle(tx, [each.id for each in letters], "discarded", by=by, note=note)


async def _hand_over(tx: Transaction, entries: Sequence[Entry]) -> None:
    """Have the subscriptions hear these again: the head of a line in its place, all others as they come."""
    for subscription in sorted({each.subscription for each in entries}):
        theirs = [each for each in entries if each.subscription == subscription]
        heads = await key_queue.revive(tx, subscription, {each.envelope.id: each.body for each in theirs})
        for entry in theirs:
            if entry.envelope.id not in heads:
                tx.file_entry(entry)
