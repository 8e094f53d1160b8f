"""A batch decides about each of its deliveries, and its stages run in order."""

from datetime import UTC, datetime
from typing import cast

from contracts.cart import CartCheckedOutV1
from marketplace_runtime.consumer import Delivery, on
from marketplace_runtime.consumer.batch import Batch, pipeline
from marketplace_runtime.consumer.decisions import AwaitCall, MakeCall
from marketplace_runtime.database import Transaction, new_id
from marketplace_runtime.events import Envelope
from marketplace_runtime.telemetry import new_traceparent


async def handle(_: CartCheckedOutV1, __: Transaction) -> None: ...


def a_delivery() -> Delivery:
    envelope = Envelope(new_id(), CartCheckedOutV1.type, "cart", "42", datetime.now(UTC), new_traceparent())
    return Delivery(envelope, b"{}", on(CartCheckedOutV1, handle))


def test_a_delivery_without_another_decision_is_acknowledged() -> None:
    one, two, three = (a_delivery() for _ in range(3))
    batch = Batch([one, two, three])
    batch.deliveries = [three]  # a stage removed two of them
    batch.decide(two, AwaitCall())
    assert list(batch.outcome.done) == [one, three]
    assert list(batch.outcome.decisions) == [(two, AwaitCall())]


def test_a_call_begins_before_its_duplicate_waits_for_it() -> None:
    first, duplicate = a_delivery(), a_delivery()
    batch = Batch([first, duplicate])
    batch.decide(duplicate, AwaitCall())
    batch.decide(first, MakeCall("request", 0.0))
    assert [delivery for delivery, _ in batch.outcome.decisions] == [first, duplicate]


async def test_stages_run_in_order_and_get_the_deliveries_that_the_previous_one_kept() -> None:
    one, two = a_delivery(), a_delivery()
    seen: list[list[Delivery]] = []

    async def remove_the_first(_: object, batch: Batch) -> None:
        seen.append(list(batch.deliveries))
        batch.deliveries = batch.deliveries[1:]

    run = pipeline(remove_the_first, None, remove_the_first)
    await run(cast("Transaction", None), Batch([one, two]))
    assert seen == [[one, two], [two]]
