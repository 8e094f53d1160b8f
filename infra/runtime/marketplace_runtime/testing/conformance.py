"""Tests that a subscription tolerates duplicate, late and reordered events, older versions of them, malformed messages
and crashes.

Each treatment delivers the events in another way. The reference is the state after each event was received once, in
order: rows, published events, deadlines. Ids and times that the service generated are not compared.
"""

from collections.abc import Callable, Sequence
from typing import Any

from marketplace_runtime.database import new_id
from marketplace_runtime.events import Event
from marketplace_runtime.service import Service
from marketplace_runtime.testing.comparison import published_in
from marketplace_runtime.testing.harness_setup import service_harness
from marketplace_runtime.testing.servers import Servers
from marketplace_runtime.testing.trial import Setup, Trial


async def assert_conforms(
    servers: Servers,
    service: Service,
    subscription: str,
    events: Sequence[Event],
    *,
    setup: Setup | None = None,
    answer: Callable[[Any], Any] | None = None,
    in_any_order: bool = False,
) -> None:
    """Test one subscription under every treatment. Raises `ConformanceError` for the first that it does not tolerate.

    `events` are published in order. `setup` inserts the rows that they need. `answer(request)` answers the service's
    external calls. Set `in_any_order` if the order of events must not matter at all. Otherwise the reversed order may
    lead to another state. Even so, no event may become a dead letter, and duplicates must not change that state.
    """
    async with service_harness(servers, service, answer=answer) as harness:
        trial = Trial(harness, subscription, [(new_id(), event) for event in events], setup)
        await harness.start()
        expected = await trial.run(lambda: trial.publish_and_wait(trial.events))
        twice = [each for each in trial.events for _ in range(2)]
        trial.compare("twice", expected, await trial.run(lambda: trial.publish_and_wait(twice)))
        late = [*trial.events, *reversed(trial.events)]
        trial.compare("again, late", expected, await trial.run(lambda: trial.publish_and_wait(late)))
        backwards = await trial.run(lambda: trial.publish_and_wait(trial.events[::-1]))
        backwards_then_forwards = await trial.run(lambda: trial.publish_and_wait([*trial.events[::-1], *trial.events]))
        trial.compare("backwards and then forwards", backwards, backwards_then_forwards)
        if in_any_order:
            trial.compare("backwards", expected, backwards)
        if len(versions := trial.in_both_versions()) > len(events):
            trial.compare("in two versions", expected, await trial.run(lambda: trial.publish_and_wait(versions)))
        trial.compare("among malformed messages", expected, await trial.run(trial.publish_among_malformed_messages))
        await harness.stop()
        for treatment, crash in (
            ("crashed before the commit", trial.crash_before_commit),
            ("crashed before the acknowledgement", trial.crash_before_ack),
        ):
            found = await trial.run(crash)
            # After a crash, an external call may be made twice, and other rows than the published events may differ.
            trial.compare(
                treatment,
                *([published_in(expected), published_in(found)] if trial.has_external_calls else [expected, found]),
            )
