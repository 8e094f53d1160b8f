"""Runs one subscription under one treatment of its events, and returns its final state."""

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

from marketplace_runtime.consumer import Reaction, Subscription
from marketplace_runtime.database import Transaction, new_id
from marketplace_runtime.events import Event
from marketplace_runtime.testing.comparison import PUBLISHED, State, comparable, differences, ids_in
from marketplace_runtime.testing.harness import SETTLED_TIMEOUT_S, ServiceHarness, until

CRASH_POINT_TIMEOUT_S = 30.0
"""Maximum time until a handler reaches the point of the crash."""

DUPLICATES = "select count(*) from messaging.incidents where subscription = $1 and what = 'duplicate'"

HANDLED = "select count(*) from messaging.inbox where subscription = $1 and event_id = any($2::uuid[])"

DEAD = "select count(*) from messaging.dead_letters"

MALFORMED_MESSAGES: Mapping[str, tuple[bytes, dict[str, Any]]] = {
    "no JSON": (b"{", {"content_type": "application/json", "headers": {"cloudEvents_specversion": "1.0"}}),
    "no event": (b"hello", {}),
    "an event without a publisher": (
        b"{}",
        {
            "content_type": "application/json",
            "headers": {"cloudEvents_specversion": "1.0", "cloudEvents_type": "nobody.nothing-happened.v1"},
        },
    ),
}

Setup = Callable[[Transaction], Awaitable[None]]


class ConformanceError(AssertionError):
    """A subscription does not conform. The message states the treatment and what differs."""


class Trial:
    """Runs the treatments of one subscription. Its events keep their ids, so that they can be published again."""

    def __init__(
        self, harness: ServiceHarness, subscription: str, events: Sequence[tuple[UUID, Event]], setup: Setup | None
    ) -> None:
        self.events = list(events)
        self._harness, self._name, self._setup = harness, subscription, setup
        self._known = {each.lower() for id, event in events for each in (str(id), *ids_in(event.model_dump_json()))}
        [tested] = [each for each in harness.service.subscriptions if each.name == subscription]
        self._reactions = tested.reactions
        self.has_external_calls = any(reaction.call for reaction in tested.reactions.values())
        unexpected_types = {event.type for _, event in events} - {*tested.types}
        if not events or unexpected_types:
            raise ValueError(
                f"{harness.service.name}.{subscription} needs events of {tested.types}, not {sorted(unexpected_types)}"
            )

    def in_both_versions(self) -> list[tuple[UUID, Event]]:
        """Return the events. Each of an older version is preceded by its upcast, which has the same id."""
        found: list[tuple[UUID, Event]] = []
        for id, event in self.events:
            upcast = self._reactions[event.type].as_received(event)
            found += (
                [(id, upcast), (id, event)] if upcast.type in self._reactions.keys() - {event.type} else [(id, event)]
            )
        return found

    async def run(self, treatment: Callable[[], Awaitable[None]]) -> State:
        """Run the treatment on a database with only the rows of `setup`. Returns the final state."""
        await self._harness.empty()
        if self._setup is not None:
            async with self._harness.transaction() as tx:
                await self._setup(tx)
        await treatment()
        return await self._state()

    async def publish_and_wait(self, events: Sequence[tuple[UUID, Event]]) -> None:
        """Publish the events in order, and wait until each was handled or recognized as a duplicate."""
        await self._harness.publish_all(events)
        await self._until_handled(events)
        await self._harness.wait_until_settled()

    async def publish_among_malformed_messages(self) -> None:
        """Publish each event after malformed ones. Raises `ConformanceError` unless only these are dead-lettered."""
        queue = f"{self._harness.service.name}.{self._name}"
        for id, event in self.events:
            for body, properties in MALFORMED_MESSAGES.values():
                await self._harness.put(queue, body, {"message_id": str(new_id()), **properties})
            await self._harness.publish(event, id)
        await self._until_handled(self.events)
        expected = len(MALFORMED_MESSAGES) * len(self.events)
        await self._until(lambda: self._harness.count(DEAD), expected, "malformed messages are stored as dead letters")
        await self._harness.wait_until_settled()
        async with self._harness.transaction() as tx:
            await tx.execute("delete from messaging.dead_letters")

    async def crash_before_commit(self) -> None:
        """Crash the process after a handler, or the recording of an answer, did its work but before the commit."""
        reached = asyncio.Event()
        hanging = [
            _with_hanging_handlers(each, reached) if each.name == self._name else each
            for each in self._harness.service.subscriptions
        ]
        await self._harness.start(hanging)
        await self._crash_once(reached)

    async def crash_before_ack(self) -> None:
        """Crash the process after a commit, but before the broker got the acknowledgement."""
        reached = asyncio.Event()
        messaging = await self._harness.start()

        async def hang(deliveries: Sequence[object]) -> None:
            if deliveries:
                reached.set()
                await asyncio.Event().wait()

        setattr(messaging.workers[self._name].executor, "acknowledge", hang)  # noqa: B010 - replaces a method of this object only
        await self._crash_once(reached)

    async def _crash_once(self, reached: asyncio.Event) -> None:
        await self._harness.publish_all(self.events)
        try:
            async with asyncio.timeout(CRASH_POINT_TIMEOUT_S):
                await reached.wait()
        except TimeoutError:
            raise ConformanceError(f"{self._name}: no handler completed within {CRASH_POINT_TIMEOUT_S:.0f} s") from None
        await self._harness.crash()
        await self._harness.start()
        await self._until_handled(self.events, duplicates=False)
        await self._harness.wait_until_settled()
        await self._harness.stop()

    async def _until_handled(self, events: Sequence[tuple[UUID, Event]], *, duplicates: bool = True) -> None:
        ids = {id for id, _ in events}
        await self._until(lambda: self._harness.count(HANDLED, self._name, list(ids)), len(ids), "events are handled")
        if duplicates:
            expected_duplicates = len(events) - len(ids)
            await self._until(
                lambda: self._harness.count(DUPLICATES, self._name), expected_duplicates, "duplicates are recognized"
            )

    async def _until(self, count: Callable[[], Awaitable[int]], wanted: int, what: str) -> None:
        found = 0

        async def is_reached() -> bool:
            nonlocal found
            found = await count()
            return found >= wanted or bool(await self._unexpected_dead())

        try:
            await until(is_reached, SETTLED_TIMEOUT_S)
        except TimeoutError:
            raise ConformanceError(f"{self._name}: {found} of {wanted} {what}") from None
        if found < wanted:
            raise ConformanceError(f"{self._name}: an event became a dead letter: {await self._unexpected_dead()}")

    async def _unexpected_dead(self) -> list[tuple[str, str]]:
        """Return the dead letters of readable events. No treatment should cause any."""
        async with self._harness.transaction() as tx:
            ids = [id for id, _ in self.events]
            statement = "select reason, error from messaging.dead_letters where event_id = any($1::uuid[])"
            return [(reason, error) for reason, error in await tx.execute(statement, ids)]

    async def _state(self) -> State:
        if dead := await self._harness.dead_letters():
            raise ConformanceError(f"{self._name}: dead letters: {dead}")
        async with self._harness.transaction() as tx:
            due = await tx.execute("select type, body from messaging.scheduled")
        found: dict[str, list[Any]] = {
            **await self._harness.tables(),
            PUBLISHED: await self._harness.published(),
            "deadlines": [(type, json.loads(body)) for type, body in due],
        }
        return {name: sorted(comparable(each, self._known) for each in rows) for name, rows in found.items()}

    def compare(self, treatment: str, expected: State, found: State) -> None:
        """Raise `ConformanceError` if the states differ, with the rows that only one of them has."""
        if lines := differences(expected, found):
            details = "\n".join(lines)
            raise ConformanceError(
                f"{self._name}: events {treatment} lead to another state than events once, in order:\n{details}"
            )


def _with_hanging_handlers(subscription: Subscription, reached: asyncio.Event) -> Subscription:
    """Return the subscription with handlers that do their work, set `reached`, and then never return."""

    def then_hang(run: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def work_and_hang(*arguments: Any) -> None:
            await run(*arguments)
            reached.set()
            await asyncio.Event().wait()

        return work_and_hang

    def with_hanging_last_step(reaction: Reaction) -> Reaction:
        if reaction.call is not None:
            return replace(reaction, call=replace(reaction.call, record=then_hang(reaction.call.record)))
        return replace(reaction, handle=reaction.handle and then_hang(reaction.handle))

    return replace(
        subscription, reactions={type: with_hanging_last_step(each) for type, each in subscription.reactions.items()}
    )
