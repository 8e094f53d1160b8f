"""What people do with dead letters: look at them in groups, replay, mend or discard them.

A letter leaves the file in the transaction that settles it, so of two people who settle it at once one does.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Protocol
from uuid import UUID

from marketplace_runtime.amqp import DeadLetter
from marketplace_runtime.consumer import inbox
from marketplace_runtime.database import Entry, Transaction, has_partition
from marketplace_runtime.dead_letters.table import SETTLE, Kept
from marketplace_runtime.scheduler import key_queue


class CannotReplay(Exception):
    """This letter is no event that its subscription could hear. The message says why, and what to do."""


class Reader(Protocol):
    """Makes events of letters again: the messaging runtime knows how."""

    def entry(self, kept: Kept) -> Entry:
        """The letter for the schedule, due now as a first attempt. Raises `CannotReplay`."""

    def mended(self, letter: DeadLetter, body: bytes, type: str | None) -> Entry:
        """The same with another body, and a type where it has none. Raises `CannotReplay`."""


async def replay(tx: Transaction, entries: Mapping[int, Entry], *, by: str) -> None:
    """Hand letters, by their ids, to the one subscription that failed; a suspect gets a fresh start."""
    await _hand_over(tx, list(entries.values()))
    await tx.execute(SETTLE, list(entries), "replayed", by, "")


async def mend(tx: Transaction, id: int, entry: Entry, *, by: str, note: str) -> None:
    """Hand one letter over as `entry`; what it was before is kept."""
    await _hand_over(tx, [entry])
    await tx.execute(SETTLE, [id], "edited", by, note)


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
    await tx.execute(SETTLE, [each.id for each in letters], "discarded", by, note)


async def _hand_over(tx: Transaction, entries: Sequence[Entry]) -> None:
    """Have the subscriptions hear these again: the head of a line in its place, all others as they come."""
    for subscription in sorted({each.subscription for each in entries}):
        theirs = [each for each in entries if each.subscription == subscription]
        heads = await key_queue.revive(tx, subscription, {each.envelope.id: each.body for each in theirs})
        for entry in theirs:
            if entry.envelope.id not in heads:
                tx.file(entry)
