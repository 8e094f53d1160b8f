"""Provides the HTTP routes with which operators list and settle dead letters.

Each change settles a chunk of letters in one transaction. The answer's `next` says where to continue. The chunks that
follow leave out letters that were stored after the first request, so that the series of requests ends.
"""

from base64 import b64encode
from collections.abc import Sequence
from typing import Annotated

from fastapi import Path, Query
from pydantic_core import to_json

from marketplace_runtime.consumer import Subscription
from marketplace_runtime.database import ScheduleEntry, Transaction
from marketplace_runtime.dead_letters import redrive, table
from marketplace_runtime.dead_letters.models import (
    MAX_LETTERS_PER_REQUEST,
    DeadLetter,
    DiscardRequest,
    EditedEvent,
    EditRequest,
    Fingerprint,
    Group,
    NextChunk,
    RefusedLetter,
    SelectionRequest,
    SettledLetter,
    SettlementResult,
)
from marketplace_runtime.dead_letters.redrive import CannotRedrive
from marketplace_runtime.dead_letters.schedule_entries import EntryBuilder
from marketplace_runtime.dead_letters.table import MAX_ID, StoredDeadLetter
from marketplace_runtime.http import Conflict, Cursor, NotFound, Operator, Page, PageSize, Router, Tx
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

MAX_PAGE_BODY_BYTES = 4 * 1024 * 1024
"""Maximum size of all bodies in one page, unless a single letter has more."""

IdPath = Annotated[int, Path(ge=1, le=MAX_ID)]


def dead_letter_routes(subscriptions: Sequence[Subscription]) -> Router:
    """Return the operator routes of a service with these subscriptions, below `/ops`."""
    builder = EntryBuilder(subscriptions)
    router = Router(prefix="/ops", tags=["dead letters"])

    @router.get("/dead-letter-groups")
    async def groups(_: Operator, tx: Tx, limit: PageSize = 20, cursor: Cursor[Fingerprint] = None) -> Page[Group]:
        """List dead letters in groups of the same subscription, reason and error.

        Errors that differ only in ids, quoted texts and numbers are the same.
        """
        found = [Group(**each) for each in await table.list_groups(tx, limit + 1, cursor or "")]
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
        found = [DeadLetter(**each) for each in await table.list_letters(tx, limit + 1, cursor or 0, group)]
        if bodies:
            limit = _count_fitting(found[:limit])
            await _fill_bodies(tx, found[:limit])
        return Page[DeadLetter].of(found, limit, key=lambda letter: letter.id)

    @router.get("/dead-letters/{id}")
    async def letter(id: IdPath, _: Operator, tx: Tx) -> DeadLetter:
        """Return one dead letter with its body."""
        found = [DeadLetter(**each) for each in await table.list_letters(tx, 1, id - 1)]
        if not found or found[0].id != id:
            raise NotFound("No dead letter has this id.")
        await _fill_bodies(tx, found)
        return found[0]

    @router.post("/dead-letters/{id}/edit")
    async def edit(id: IdPath, request: EditRequest, operator: Operator, tx: Tx) -> EditedEvent:
        """Redrive a dead letter with another body. The body must fit the schema of its event type."""
        found = await table.pick(tx, table.Selection([id]), 1)
        if not found:
            raise NotFound("No dead letter has this id.")
        try:
            entry = builder.build_edited(found[0].letter, to_json(request.body), request.type)
        except CannotRedrive as why:
            raise Conflict(str(why)) from why
        await redrive.edit(tx, id, entry, by=operator.subject, note=request.note)
        log.info("dead letter edited", letter=id, by=operator.subject, note=request.note)
        return EditedEvent(event_id=entry.envelope.id, type=entry.envelope.type)

    @router.post("/replays")
    async def redrive_letters(request: SelectionRequest, operator: Operator, tx: Tx) -> SettlementResult:
        """Redrive dead letters: hand each to the one subscription that failed.

        Each keeps its event id, and is run as a first attempt.
        """
        picked, next_chunk = await _pick(tx, request)
        entries: dict[int, ScheduleEntry] = {}
        refused = []
        for each in picked:
            try:
                entries[each.id] = builder.build(each)
            except CannotRedrive as why:
                refused.append(RefusedLetter(id=each.id, why=str(why)))
        if entries and not request.dry_run:
            await redrive.redrive(tx, entries, by=operator.subject)
            log.info("dead letters redriven", letters=len(entries), by=operator.subject)
        return SettlementResult(
            settled=len(entries), refused=refused, missing=_missing(request, picked), next=next_chunk
        )

    @router.post("/discards")
    async def discard(request: DiscardRequest, operator: Operator, tx: Tx) -> SettlementResult:
        """Discard dead letters. They are kept among the settled letters, with your name and note."""
        picked, next_chunk = await _pick(tx, request)
        if picked and not request.dry_run:
            await redrive.discard(tx, picked, by=operator.subject, note=request.note)
            log.info("dead letters discarded", letters=len(picked), by=operator.subject, note=request.note)
        return SettlementResult(settled=len(picked), refused=[], missing=_missing(request, picked), next=next_chunk)

    @router.get("/settled-letters")
    async def settled(_: Operator, tx: Tx, limit: PageSize = 20, cursor: Cursor[int] = None) -> Page[SettledLetter]:
        """List settled letters: what was done with each, by whom and why. The latest come first."""
        found = [SettledLetter(**each) for each in await table.list_settled(tx, limit + 1, cursor or MAX_ID)]
        return Page[SettledLetter].of(found, limit, key=lambda each: each.settled)

    return router


async def _pick(tx: Transaction, request: SelectionRequest) -> tuple[list[StoredDeadLetter], NextChunk | None]:
    """Return a chunk of the selected letters, and where the next chunk begins."""
    through = await table.read_newest_id(tx) if request.through is None else request.through
    selection = table.Selection(request.ids, request.group, request.after, through)
    picked = await table.pick(tx, selection, MAX_LETTERS_PER_REQUEST, lock=not request.dry_run)
    return picked, NextChunk(after=picked[-1].id, through=through) if len(picked) == MAX_LETTERS_PER_REQUEST else None


def _missing(request: SelectionRequest, picked: list[StoredDeadLetter]) -> list[int]:
    return sorted(set(request.ids or ()) - {each.id for each in picked})


def _count_fitting(letters: list[DeadLetter]) -> int:
    """Return how many of these, from the first on, fit into one page with their bodies."""
    total = 0
    for number, letter in enumerate(letters):
        total += letter.size
        if total > MAX_PAGE_BODY_BYTES:
            return max(number, 1)
    return len(letters)


async def _fill_bodies(tx: Transaction, letters: list[DeadLetter]) -> None:
    bodies = await table.read_bodies(tx, [each.id for each in letters])
    for letter in letters:
        raw = bodies.get(letter.id, b"")
        try:
            letter.body = raw.decode()
        except UnicodeDecodeError:
            letter.body_base64 = b64encode(raw).decode()
