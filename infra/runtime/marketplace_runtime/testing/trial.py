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
from marketplace_runtime.testing.bench import SETTLED_S, Bench, until
from marketplace_runtime.testing.comparison import SAID, State, comparable, differences, ids_in

CRASH_WITHIN_S = 30.0
"""Maximum time until a handler reaches the point of the crash."""

DUPLICATES = "select count(*) from messaging.incidents where subscription = $1 and what = 'duplicate'"

HANDLED = "select count(*) from messaging.inbox where subscription = $1 and event_id = any($2::uuid[])"

DEAD = "select count(*) from messaging.dead_letters"

POISON: Mapping[str, tuple[bytes, dict[str, Any]]] = {
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


class Broken(AssertionError):
    """A subscription does not conform. The message states the treatment and what differs."""


class Trial:
    """Runs the treatments of one subscription's events, which have fixed ids."""

    def __init__(
        self, bench: Bench, subscription: str, events: Sequence[tuple[UUID, Event]], setup: Setup | None
    ) -> None:
        self.events = list(events)
        self._bench, self._name, self._setup = bench, subscription, setup
        self._known = {each.lower() for id, event in events for each in (str(id), *ids_in(event.model_dump_json()))}
        [own] = [each for each in bench.service.subscriptions if each.name == subscription]
        self._reactions = own.reactions
        self.calls = any(reaction.call for reaction in own.reactions.values())
        strange = {event.type for _, event in events} - {*own.types}
        if not events or strange:
            raise ValueError(
                f"{bench.service.name}.{subscription} needs events of {own.types}, but got {sorted(strange)}"
            )

    def in_versions(self) -> list[tuple[UUID, Event]]:
        """Return the events, each older version preceded by the version that its handler reads, under the same id."""
        found: list[tuple[UUID, Event]] = []
        for id, event in self.events:
            read = self._reactions[event.type].as_received(event)
            found += [(id, read), (id, event)] if read.type in self._reactions.keys() - {event.type} else [(id, event)]
        return found

    async def run(self, treatment: Callable[[], Awaitable[None]]) -> State:
        """Run the treatment on a database with only the rows of `setup`. Returns the final state."""
        await self._bench.empty()
        if self._setup is not None:
            async with self._bench.transaction() as tx:
                await self._setup(tx)
        await treatment()
        return await self._state()

    async def hear(self, events: Sequence[tuple[UUID, Event]]) -> None:
        """Publish the events in order, and wait until each was handled or recognized as a duplicate."""
        await self._bench.hear_all(events)
        await self._until_handled(events)
        await self._bench.settled()

    async def hear_among_poison(self) -> None:
        """Publish each event after some poison messages. Raises `Broken` unless exactly these become dead letters."""
        queue = f"{self._bench.service.name}.{self._name}"
        for id, event in self.events:
            for body, properties in POISON.values():
                await self._bench.put(queue, body, {"message_id": str(new_id()), **properties})
            await self._bench.hear(event, id)
        await self._until_handled(self.events)
        expected = len(POISON) * len(self.events)
        await self._until(lambda: self._bench.count(DEAD), expected, "poison messages are stored as dead letters")
        await self._bench.settled()
        async with self._bench.transaction() as tx:
            await tx.execute("delete from messaging.dead_letters")

    async def crash_before_commit(self) -> None:
        """Crash the process after a handler, or the recording of an answer, did its work but before the commit."""
        reached = asyncio.Event()
        stumbling = [
            _stumbling(each, reached) if each.name == self._name else each for each in self._bench.service.subscriptions
        ]
        await self._bench.start(stumbling)
        await self._crash_once(reached)

    async def crash_before_ack(self) -> None:
        """Crash the process after a commit, but before the broker got the acknowledgement."""
        reached = asyncio.Event()
        messaging = await self._bench.start()

        async def never(deliveries: Sequence[object]) -> None:
            if deliveries:
                reached.set()
                await asyncio.Event().wait()

        setattr(messaging.workers[self._name].executor, "acknowledge", never)  # noqa: B010 - a method, of this one
        await self._crash_once(reached)

    async def _crash_once(self, reached: asyncio.Event) -> None:
        await self._bench.hear_all(self.events)
        try:
            async with asyncio.timeout(CRASH_WITHIN_S):
                await reached.wait()
        except TimeoutError:
            raise Broken(f"{self._name}: no handler completed within {CRASH_WITHIN_S:.0f} s") from None
        await self._bench.crash()
        await self._bench.start()
        await self._until_handled(self.events, duplicates=False)
        await self._bench.settled()
        await self._bench.stop()

    async def _until_handled(self, events: Sequence[tuple[UUID, Event]], *, duplicates: bool = True) -> None:
        ids = {id for id, _ in events}
        await self._until(lambda: self._bench.count(HANDLED, self._name, list(ids)), len(ids), "events are handled")
        if duplicates:
            again = len(events) - len(ids)
            await self._until(lambda: self._bench.count(DUPLICATES, self._name), again, "duplicates are recognized")

    async def _until(self, count: Callable[[], Awaitable[int]], wanted: int, what: str) -> None:
        found = 0

        async def there() -> bool:
            nonlocal found
            found = await count()
            return found >= wanted or bool(await self._unexpected_dead())

        try:
            await until(there, SETTLED_S)
        except TimeoutError:
            raise Broken(f"{self._name}: {found} of {wanted} {what}") from None
        if found < wanted:
            raise Broken(f"{self._name}: an event became a dead letter: {await self._unexpected_dead()}")

    async def _unexpected_dead(self) -> list[tuple[str, str]]:
        """Return the dead letters of readable events. No treatment should cause any."""
        async with self._bench.transaction() as tx:
            ids = [id for id, _ in self.events]
            statement = "select reason, error from messaging.dead_letters where event_id = any($1::uuid[])"
            return [(reason, error) for reason, error in await tx.execute(statement, ids)]

    async def _state(self) -> State:
        if dead := await self._bench.dead():
            raise Broken(f"{self._name}: dead letters: {dead}")
        async with self._bench.transaction() as tx:
            due = await tx.execute("select type, body from messaging.scheduled")
        found: dict[str, list[Any]] = {
            **await self._bench.tables(),
            SAID: await self._bench.said(),
            "deadlines": [(type, json.loads(body)) for type, body in due],
        }
        return {name: sorted(comparable(each, self._known) for each in rows) for name, rows in found.items()}

    def compare(self, treatment: str, expected: State, found: State) -> None:
        """Raise `Broken` if the states differ, with the rows that only one of them has."""
        if lines := differences(expected, found):
            told = "\n".join(lines)
            raise Broken(f"{self._name}: events {treatment} lead to another state than events once, in order:\n{told}")


def _stumbling(subscription: Subscription, reached: asyncio.Event) -> Subscription:
    """Return the subscription with handlers that do their work, set `reached`, and then never return."""

    def last_step(run: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        async def work_and_hang(*arguments: Any) -> None:
            await run(*arguments)
            reached.set()
            await asyncio.Event().wait()

        return work_and_hang

    def stumble(reaction: Reaction) -> Reaction:
        if reaction.call is not None:
            return replace(reaction, call=replace(reaction.call, record=last_step(reaction.call.record)))
        return replace(reaction, handle=reaction.handle and last_step(reaction.handle))

    return replace(subscription, reactions={type: stumble(each) for type, each in subscription.reactions.items()})
