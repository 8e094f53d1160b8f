"""Mutants of the runtime: where to kill their process, and what the crash suite's check must then say."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from marketplace_runtime.consumer import Delivery, Worker, acknowledge, inbox
from marketplace_runtime.consumer.batch import Batch
from marketplace_runtime.consumer.decisions import DeadLetter
from marketplace_runtime.consumer.execute import Executor
from marketplace_runtime.database import Entry, Transaction, outbox
from marketplace_runtime.external_calls import liveness
from marketplace_runtime.outbox import Relay
from marketplace_runtime.outbox import table as outbox_table
from marketplace_runtime.outbox.table import Pending
from marketplace_runtime.scheduler import table as scheduled
from marketplace_runtime.scheduler.table import Heard
from tests.integration.messaging.crash.steps import When
from tests.integration.mutants.mutant import Mutant, Patch


def ack_before_commit(patch: Patch) -> None:
    """A message is acknowledged as soon as it comes."""
    run = Worker._run

    async def acknowledge_and_run(worker: Worker, deliveries: Sequence[Delivery]) -> None:
        await acknowledge(deliveries)
        await run(worker, deliveries)

    patch(Worker, "_run", acknowledge_and_run)


def no_inbox_check(patch: Patch) -> None:
    """Whatever is delivered counts as new."""
    enter = inbox.enter

    async def enter_anyway(
        tx: Transaction, subscription: str, ids: Sequence[UUID], attempts: Sequence[int]
    ) -> set[UUID]:
        await enter(tx, subscription, ids, attempts)
        return set(ids)

    patch(inbox, "enter", enter_anyway)


def inbox_row_without_effect(patch: Patch) -> None:
    """The inbox row commits before the handler has run."""
    enter = inbox.enter

    async def enter_for_good(
        tx: Transaction, subscription: str, ids: Sequence[UUID], attempts: Sequence[int]
    ) -> set[UUID]:
        new = await enter(tx, subscription, ids, attempts)
        await tx.session.commit()
        return new

    patch(inbox, "enter", enter_for_good)


def outbox_row_dropped(patch: Patch) -> None:
    """One event of each transaction never gets into the outbox."""
    insert = outbox.insert

    async def insert_all_but_one(tx: Transaction, rows: Sequence[outbox.Row]) -> None:
        await insert(tx, rows[1:])

    patch(outbox, "insert", insert_all_but_one)


def publish_before_commit(patch: Patch) -> None:
    """What a handler says leaves at once, whatever becomes of its transaction."""
    make = Worker.__init__

    def make_one_that_publishes(worker: Worker, *arguments: Any, **wiring: Any) -> None:
        make(worker, *arguments, **wiring)
        handle, publisher = worker.handling, wiring["publisher"]

        async def handle_and_publish(tx: Transaction, batch: Batch) -> None:
            await handle(tx, batch)
            if tx._published:
                await publisher.ready()
                await publisher.publish_all([(row.envelope, row.body) for row in tx._published])

        worker.handling = handle_and_publish

    patch(Worker, "__init__", make_one_that_publishes)


def pending_row_removed_before_confirm(patch: Patch) -> None:
    """The relay forgets a row before the broker has it."""
    publish = Relay._publish

    async def forget_and_publish(relay: Relay, rows: Sequence[Pending]) -> list[int]:
        async with relay._database.transaction() as tx:
            await tx.execute(outbox_table.CONFIRMED, [row.seq for row in rows])
        return await publish(relay, rows)

    patch(Relay, "_publish", forget_and_publish)


def retry_taken_without_lease(patch: Patch) -> None:
    """What is due leaves the schedule when it is taken, not with its effect."""
    take = scheduled.take

    async def take_away(tx: Transaction, heard: Heard, *limits: Any) -> list[Entry]:
        entries = await take(tx, heard, *limits)
        await scheduled.remove(tx, [entry.id or 0 for entry in entries])
        return entries

    patch(scheduled, "take", take_away)


def retry_not_filed(patch: Patch) -> None:
    """A failed delivery is acknowledged before it is filed to come again."""
    replace = Executor._replace

    async def acknowledge_and_replace(
        executor: Executor, deliveries: Sequence[Delivery], entries: Sequence[Entry], **noted: Any
    ) -> None:
        await acknowledge(deliveries)
        await replace(executor, deliveries, entries, **noted)

    patch(Executor, "_replace", acknowledge_and_replace)


def dead_letter_dropped(patch: Patch) -> None:
    """What is given up is forgotten before its dead letter is published."""

    async def forget_and_publish(executor: Executor, delivery: Delivery, decision: DeadLetter) -> None:
        dead = executor._entry(delivery, None, decision.why, attempt=delivery.attempt)
        await executor._replace([delivery], [dead], noted=[delivery])
        await executor._publish(delivery.letter(executor._subscription, decision.reason, decision.why))

    patch(Executor, "_dead_letter", forget_and_publish)


def claims_outlive_their_process(patch: Patch) -> None:
    """Nobody notices that a process died with claims and leases."""

    async def free_nothing(tx: Transaction, missed: dict[int, float]) -> None: ...

    patch(liveness, "release_expired_claims", free_nothing)


EFFECTS = "each effect is there once"
HEARD = "what was to be said is what was heard"

MUTANTS: list[tuple[Mutant, When, str, str]] = [
    (ack_before_commit, "before", "commit", EFFECTS),
    (no_inbox_check, "before", "acknowledge", EFFECTS),
    (inbox_row_without_effect, "before", "commit", EFFECTS),
    (outbox_row_dropped, "after", "commit", "what was done is to be said"),
    (publish_before_commit, "before", "commit", HEARD),
    (pending_row_removed_before_confirm, "before", "publish", HEARD),
    (retry_taken_without_lease, "before", "running a retry", EFFECTS),
    (retry_not_filed, "before", "filing a retry", EFFECTS),
    (dead_letter_dropped, "before", "dead-letter publish", "what was given up is on file"),
    (claims_outlive_their_process, "after", "commit of the claim", EFFECTS),
]
"""Each with the step at which its process dies, and the complaint."""
QUICK = (ack_before_commit, outbox_row_dropped, retry_not_filed)
"""One of acknowledging, one of publishing, one of retrying: the others are tried under `--all`."""
