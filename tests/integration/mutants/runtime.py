"""Mutants of the runtime, each with the step at which to kill its process and the error that the crash suite raises."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from marketplace_runtime.consumer import Delivery, Worker, acknowledge, inbox
from marketplace_runtime.consumer.batch import Batch
from marketplace_runtime.consumer.decisions import DeadLetter
from marketplace_runtime.consumer.execute import Executor
from marketplace_runtime.database import ScheduleEntry, Transaction, outbox
from marketplace_runtime.external_calls import liveness
from marketplace_runtime.outbox import Relay
from marketplace_runtime.outbox import table as outbox_table
from marketplace_runtime.outbox.table import Pending
from marketplace_runtime.scheduler import table as scheduled
from marketplace_runtime.scheduler.table import SubscribedTypes
from tests.integration.messaging.crash.steps import When
from tests.integration.mutants.mutant import Mutant, Patch


def ack_before_commit(patch: Patch) -> None:
    """A message is acknowledged on arrival, before the transaction commits."""
    run = Worker._run

    async def acknowledge_and_run(worker: Worker, deliveries: Sequence[Delivery]) -> None:
        await acknowledge(deliveries)
        await run(worker, deliveries)

    patch(Worker, "_run", acknowledge_and_run)


def no_inbox_check(patch: Patch) -> None:
    """Every delivery counts as new, also a duplicate."""
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
    """One event of each transaction is not written to the outbox."""
    insert = outbox.insert

    async def insert_all_but_one(tx: Transaction, rows: Sequence[outbox.Row]) -> None:
        await insert(tx, rows[1:])

    patch(outbox, "insert", insert_all_but_one)


def publish_before_commit(patch: Patch) -> None:
    """A handler's events are published before its transaction commits."""
    make = Worker.__init__

    def make_one_that_publishes(worker: Worker, *arguments: Any, **wiring: Any) -> None:
        make(worker, *arguments, **wiring)
        handle, publisher = worker.stages, wiring["publisher"]

        async def handle_and_publish(tx: Transaction, batch: Batch) -> None:
            await handle(tx, batch)
            if tx._published:
                await publisher.wait_until_ready()
                await publisher.publish_all([(row.envelope, row.body) for row in tx._published])

        worker.stages = handle_and_publish

    patch(Worker, "__init__", make_one_that_publishes)


def pending_row_removed_before_confirm(patch: Patch) -> None:
    """The relay deletes a pending event before the broker has confirmed it."""
    publish = Relay._publish

    async def forget_and_publish(relay: Relay, rows: Sequence[Pending]) -> list[int]:
        async with relay._database.transaction() as tx:
            await tx.execute(outbox_table.DELETE_CONFIRMED, [row.seq for row in rows])
        return await publish(relay, rows)

    patch(Relay, "_publish", forget_and_publish)


def retry_taken_without_lease(patch: Patch) -> None:
    """A due entry is deleted from the schedule when it is taken, not in the transaction of its effect."""
    take = scheduled.lease_due

    async def take_away(tx: Transaction, accepted_types: SubscribedTypes, *limits: Any) -> list[ScheduleEntry]:
        entries = await take(tx, accepted_types, *limits)
        await scheduled.remove(tx, [entry.id or 0 for entry in entries])
        return entries

    patch(scheduled, "lease_due", take_away)


def retry_not_filed(patch: Patch) -> None:
    """A failed delivery is acknowledged before its retry is scheduled."""
    replace = Executor._replace

    async def acknowledge_and_replace(
        executor: Executor, deliveries: Sequence[Delivery], entries: Sequence[ScheduleEntry], **noted: Any
    ) -> None:
        await acknowledge(deliveries)
        await replace(executor, deliveries, entries, **noted)

    patch(Executor, "_replace", acknowledge_and_replace)


def dead_letter_dropped(patch: Patch) -> None:
    """A message that is given up is acknowledged before its dead letter is published."""

    async def forget_and_publish(executor: Executor, delivery: Delivery, decision: DeadLetter) -> None:
        dead = executor._entry(delivery, None, decision.why, attempt=delivery.attempt)
        await executor._replace([delivery], [dead], incidents_for=[delivery])
        await executor._publish(delivery.as_dead_letter(executor._subscription, decision.reason, decision.why))

    patch(Executor, "_dead_letter", forget_and_publish)


def claims_outlive_their_process(patch: Patch) -> None:
    """The claims and leases of a dead process are never released."""

    async def free_nothing(tx: Transaction, missed: dict[int, float]) -> None: ...

    patch(liveness, "release_orphaned_claims", free_nothing)


EFFECTS = "each effect happened exactly once"
PUBLISHED = "exactly the events in the outbox were published"

MUTANTS: list[tuple[Mutant, When, str, str]] = [
    (ack_before_commit, "before", "commit", EFFECTS),
    (no_inbox_check, "before", "acknowledge", EFFECTS),
    (inbox_row_without_effect, "before", "commit", EFFECTS),
    (outbox_row_dropped, "after", "commit", "each placed order has one event in the outbox"),
    (publish_before_commit, "before", "commit", PUBLISHED),
    (pending_row_removed_before_confirm, "before", "publish", PUBLISHED),
    (retry_taken_without_lease, "before", "running a retry", EFFECTS),
    (retry_not_filed, "before", "scheduling a retry", EFFECTS),
    (dead_letter_dropped, "before", "dead-letter publish", "each message given up is a dead letter"),
    (claims_outlive_their_process, "after", "commit of the claim", EFFECTS),
]
"""Each mutant with the step at which its process is killed, and the error."""
QUICK = (ack_before_commit, outbox_row_dropped, retry_not_filed)
"""One each of acknowledging, publishing and retrying; the others run only with `--all`."""
