"""Provides the HTTP routes with which operators list and settle dead letters.

Each change settles a chunk of letters in one transaction. The answer's `next` says where to continue. It leaves out
letters that were stored after the first request, so that a series of requests ends.
"""

from base64 import b64encode
from collections.abc import Sequence
from typing import Annotated

from fastapi import Path, Query
from pydantic_core import to_json

from marketplace_runtime.consumer import Subscription
from marketplace_runtime.database import Entry, Transaction
from marketplace_runtime.dead_letters import redrive, table
from marketplace_runtime.dead_letters.entries import LetterReader
from marketplace_runtime.dead_letters.models import (
    CHUNK,
    Chosen,
    DeadLetter,
    Discarding,
    Fingerprint,
    Group,
    Mended,
    Mending,
    Next,
    Outcome,
    Refused,
    Settled,
)
from marketplace_runtime.dead_letters.redrive import CannotRedrive
from marketplace_runtime.dead_letters.table import LAST, Kept
from marketplace_runtime.http import Conflict, Cursor, NotFound, Operator, Page, PageSize, Router, Tx
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

MOST_BODY_BYTES = 4 * 1024 * 1024
"""Maximum size of all bodies in one page, unless a single letter has more."""

IdPath = Annotated[int, Path(ge=1, le=LAST)]


def dead_letter_routes(subscriptions: Sequence[Subscription]) -> Router:
    """Return the operator routes of a service with these subscriptions, below `/ops`."""
    reader = LetterReader(subscriptions)
    router = Router(prefix="/ops", tags=["dead letters"])

    @router.get("/dead-letter-groups")
    async def groups(_: Operator, tx: Tx, limit: PageSize = 20, cursor: Cursor[Fingerprint] = None) -> Page[Group]:
        """List dead letters in groups of the same subscription, reason and error.

        Errors that differ only in ids, quoted texts and numbers are the same.
        """
        found = [Group(**each) for each in await table.groups(tx, limit + 1, cursor or "")]
        return Page[Group].of(found, limit, key=lambda each: each.group)

    @router.get("/dead-letters")
    async def letters(
        _: Operator,
        tx: Tx,
        limit: PageSize = 20,
        cursor: Cursor[int] = None,
        group: Annotated[Fingerprint | None, Query()] = None,
        bodies: Annotated[bool, Query(description="with bodies; a page has fewer letters if they are large")] = False,
    ) -> Page[DeadLetter]:
        """List dead letters, the oldest first."""
        found = [DeadLetter(**each) for each in await table.letters(tx, limit + 1, cursor or 0, group)]
        if bodies:
            limit = _fitting(found[:limit])
            await _fill(tx, found[:limit])
        return Page[DeadLetter].of(found, limit, key=lambda letter: letter.id)

    @router.get("/dead-letters/{id}")
    async def letter(id: IdPath, _: Operator, tx: Tx) -> DeadLetter:
        """Return one dead letter with its body."""
        found = [DeadLetter(**each) for each in await table.letters(tx, 1, id - 1)]
        if not found or found[0].id != id:
            raise NotFound("No dead letter has this id.")
        await _fill(tx, found)
        return found[0]

    @router.post("/dead-letters/{id}/edit")
    async def edit(id: IdPath, mending: Mending, operator: Operator, tx: Tx) -> Mended:
        """Redrive a dead letter with another body. The body must fit the schema of its event type."""
        found = await table.pick(tx, table.Selection([id]), 1)
        if not found:
            raise NotFound("No dead letter has this id.")
        try:
            entry = reader.edited(found[0].letter, to_json(mending.body), mending.type)
        except CannotRedrive as why:
            raise Conflict(str(why)) from why
        await redrive.edit(tx, id, entry, by=operator.subject, note=mending.note)
        log.info("dead letter edited", letter=id, by=operator.subject, note=mending.note)
        return Mended(event_id=entry.envelope.id, type=entry.envelope.type)

    @router.post("/replays")
    async def replay(chosen: Chosen, operator: Operator, tx: Tx) -> Outcome:
        """Redrive dead letters: hand each to the one subscription that failed.

        Each keeps its event id, and is run as a first attempt.
        """
        picked, more = await _pick(tx, chosen)
        entries: dict[int, Entry] = {}
        refused = []
        for each in picked:
            try:
                entries[each.id] = reader.entry(each)
            except CannotRedrive as why:
                refused.append(Refused(id=each.id, why=str(why)))
        if entries and not chosen.dry_run:
            await redrive.redrive(tx, entries, by=operator.subject)
            log.info("dead letters redriven", letters=len(entries), by=operator.subject)
        return Outcome(settled=len(entries), refused=refused, missing=_missing(chosen, picked), next=more)

    @router.post("/discards")
    async def discard(chosen: Discarding, operator: Operator, tx: Tx) -> Outcome:
        """Discard dead letters. They are kept among the settled letters, with your name and note."""
        picked, more = await _pick(tx, chosen)
        if picked and not chosen.dry_run:
            await redrive.discard(tx, picked, by=operator.subject, note=chosen.note)
            log.info("dead letters discarded", letters=len(picked), by=operator.subject, note=chosen.note)
        return Outcome(settled=len(picked), refused=[], missing=_missing(chosen, picked), next=more)

    @router.get("/settled-letters")
    async def settled(_: Operator, tx: Tx, limit: PageSize = 20, cursor: Cursor[int] = None) -> Page[Settled]:
        """List settled letters: what was done with each, by whom and why. The latest come first."""
        found = [Settled(**each) for each in await table.settled(tx, limit + 1, cursor or LAST)]
        return Page[Settled].of(found, limit, key=lambda each: each.settled)

    return router


async def _pick(tx: Transaction, chosen: Chosen) -> tuple[list[Kept], Next | None]:
    """Return a chunk of the selected letters, and where the next chunk begins."""
    through = await table.newest(tx) if chosen.through is None else chosen.through
    selection = table.Selection(chosen.ids, chosen.group, chosen.after, through)
    picked = await table.pick(tx, selection, CHUNK, lock=not chosen.dry_run)
    return picked, Next(after=picked[-1].id, through=through) if len(picked) == CHUNK else None


def _missing(chosen: Chosen, picked: list[Kept]) -> list[int]:
    return sorted(set(chosen.ids or ()) - {each.id for each in picked})


def _fitting(letters: list[DeadLetter]) -> int:
    """Return how many of these, from the first on, fit into one page with their bodies."""
    total = 0
    for number, letter in enumerate(letters):
        total += letter.size
        if total > MOST_BODY_BYTES:
            return max(number, 1)
    return len(letters)


async def _fill(tx: Transaction, letters: list[DeadLetter]) -> None:
    bodies = await table.bodies(tx, [each.id for each in letters])
    for letter in letters:
        raw = bodies.get(letter.id, b"")
        try:
            letter.body = raw.decode()
        except UnicodeDecodeError:
            letter.body_base64 = b64encode(raw).decode()
