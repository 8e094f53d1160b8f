"""Lists the points at which a process can be killed: every step of a delivery, with the function to wrap.

The production code has no hooks: the child wraps its functions before it starts.
"""

import asyncio
import inspect
import os
import signal
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps
from types import ModuleType
from typing import Any, Literal, NoReturn

import asyncpg
from aiormq.channel import Channel

from contracts.cart import CartCheckedOutV1
from marketplace_runtime.amqp import IncomingMessage, Publisher
from marketplace_runtime.amqp.acknowledgements import Acknowledgements
from marketplace_runtime.consumer import Delivery, Worker, execute, inbox
from marketplace_runtime.consumer.execute import Executor
from marketplace_runtime.database import Transaction, outbox, schedule
from marketplace_runtime.dead_letters import table as dead_letters
from marketplace_runtime.external_calls import claims, liveness
from marketplace_runtime.outbox import table as outbox_table
from marketplace_runtime.scheduler import table as scheduled
from tests.integration.messaging.crash import service

When = Literal["before", "during", "after"]
TURNS = 4
"""Turns of the event loop before a call in progress is killed: a publish is sent by then but not yet confirmed."""
Kinds = Mapping[str, int]
"""The number of events of each kind that a case publishes."""

PLAIN: Kinds = {"plain": 5}
RETRIED: Kinds = {"plain": 2, "shaky": 2}
DEAD: Kinds = {"plain": 2, "doomed": 2}
CALLED: Kinds = {"plain": 1, "called": 4}


@dataclass(frozen=True)
class Point:
    """A function of the runtime; `only` selects calls by their arguments."""

    owner: type | ModuleType
    function: str
    events: Kinds
    only: Callable[..., bool] = lambda *_, **__: True
    rare: bool = False
    """Whether neighbouring points nearly cover it, so that it runs only with `--all`."""


def _commits(what: str) -> Callable[..., bool]:
    return lambda tx: what in tx.session.info


def _publishes_dead(_: Publisher, exchange: str, *__: Any) -> bool:
    return exchange == "checkout.dead"


def _from_broker(_: Worker, delivery: Any) -> bool:
    return isinstance(delivery, Delivery) and delivery.message is not None


def _from_schedule(_: Worker, delivery: Any) -> bool:
    return isinstance(delivery, Delivery) and delivery.attempt > 1


def _retries(_: Transaction, entries: Any) -> bool:
    return any(entry.attempt > 1 for entry in entries)


def _run_again(event: CartCheckedOutV1, _: Transaction) -> bool:
    return service.runs[event.order_id] >= service.FAILURES


def _after_a_scheduled_run(deliveries: Any) -> bool:
    return any(delivery.entry_id is not None for delivery in deliveries)


POINTS = {
    "receive": Point(Worker, "receive", PLAIN, _from_broker),
    "inbox insert": Point(inbox, "enter", PLAIN, rare=True),
    "handler": Point(service, "place", PLAIN),
    "outbox insert": Point(outbox, "insert", PLAIN, rare=True),
    "deadline insert": Point(schedule, "insert", PLAIN, rare=True),
    "commit": Point(Transaction, "commit", PLAIN, _commits("placed")),
    "publish": Point(Publisher, "publish_all", PLAIN),
    "confirm": Point(Channel, "_confirm_delivery", PLAIN, rare=True),
    "removal of the pending row": Point(
        asyncpg.Connection, "execute", PLAIN, lambda _, query, *__: query == outbox_table.DELETE_CONFIRMED
    ),
    "acknowledge": Point(Acknowledgements, "acknowledge", PLAIN),
    "scheduling a retry": Point(schedule, "insert", RETRIED, _retries),
    "commit of a retry": Point(Transaction, "commit", RETRIED, lambda tx: _retries(tx, tx._scheduled), rare=True),
    "taking due entries": Point(scheduled, "lease_due", RETRIED, rare=True),
    "receiving due entries": Point(Worker, "receive", RETRIED, _from_schedule, rare=True),
    "running a retry": Point(service, "place", RETRIED, _run_again),
    "removal of due entries": Point(scheduled, "remove", RETRIED, rare=True),
    "deadline": Point(service, "payment_due", PLAIN, rare=True),
    "commit of a deadline": Point(Transaction, "commit", PLAIN, _commits("due"), rare=True),
    "acknowledging due entries": Point(execute, "acknowledge", RETRIED, _after_a_scheduled_run, rare=True),
    "giving up": Point(Executor, "_publish", DEAD, rare=True),
    "dead-letter publish": Point(Publisher, "publish", DEAD, _publishes_dead),
    "removal of a dead-lettered entry": Point(Executor, "_replace", DEAD, rare=True),
    "storing a dead letter": Point(dead_letters, "store", DEAD),
    "acknowledging a dead letter": Point(IncomingMessage, "acknowledge", DEAD, rare=True),
    "claim": Point(claims, "claim", CALLED),
    "prepare": Point(service, "prepare", CALLED, rare=True),
    "commit of the claim": Point(Transaction, "commit", CALLED, _commits("prepared")),
    "external call": Point(service, "make_call", CALLED),
    "record": Point(service, "record", CALLED, rare=True),
    "release of the claim": Point(claims, "release", CALLED, rare=True),
    "commit of the answer": Point(Transaction, "commit", CALLED, _commits("recorded")),
    "release of expired claims": Point(liveness, "release_orphaned_claims", CALLED, rare=True),
}


def die() -> NoReturn:
    """Kill this process with SIGKILL, as a power cut would."""
    os.kill(os.getpid(), signal.SIGKILL)
    raise AssertionError("a killed process continues")


def kill_at(point: Point, when: When, nth: int) -> None:
    """Wrap the function of `point` so that its `nth` call is the last thing this process does."""
    original = getattr(point.owner, point.function)
    calls = 0

    def is_selected(*args: Any, **kwargs: Any) -> bool:
        nonlocal calls
        calls += point.only(*args, **kwargs)
        return calls == nth and point.only(*args, **kwargs)

    if inspect.iscoroutinefunction(original):

        @wraps(original)
        async def wrapped(*args: Any, **kwargs: Any) -> Any:
            if not is_selected(*args, **kwargs):
                return await original(*args, **kwargs)
            if when == "during":
                under_way = asyncio.ensure_future(original(*args, **kwargs))
                for _ in range(TURNS):
                    await asyncio.sleep(0)
                del under_way
            elif when == "after":
                await original(*args, **kwargs)
            die()
    else:

        @wraps(original)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if not is_selected(*args, **kwargs):
                return original(*args, **kwargs)
            if when == "after":
                original(*args, **kwargs)
            die()

    setattr(point.owner, point.function, wrapped)


CASES: list[tuple[When, str]] = [(when, point) for point in POINTS for when in ("before", "after")]
CASES += [("during", "publish"), ("during", "dead-letter publish"), ("during", "external call")]


def is_rare(when: When, point: str) -> bool:
    """Return whether this case runs only with `--all`.

    After most steps comes the moment before the next one. A commit is the exception: its answer may be lost.
    """
    return POINTS[point].rare or (when == "after" and not point.startswith("commit"))
