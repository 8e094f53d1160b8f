"""Tests that a subscription tolerates duplicate, late and reordered events, older versions, crashes and poison.

The reference is the state after each event was received once, in order: rows, published events, deadlines. Ids and
times that the service generated are not compared.
"""

from collections.abc import Callable, Sequence
from typing import Any

from marketplace_runtime.database import new_id
from marketplace_runtime.events import Event
from marketplace_runtime.service import Service
from marketplace_runtime.testing.bench_setup import on_a_bench
from marketplace_runtime.testing.comparison import said_in
from marketplace_runtime.testing.servers import Servers
from marketplace_runtime.testing.trial import Setup, Trial


async def conforms(
    servers: Servers,
    service: Service,
    subscription: str,
    events: Sequence[Event],
    *,
    setup: Setup | None = None,
    answer: Callable[[Any], Any] | None = None,
    in_any_order: bool = False,
) -> None:
    """Test one subscription under every treatment. Raises `Broken` for the first one that it does not tolerate.

    `events` are published in order. `setup` inserts the rows that they need. `answer(request)` answers the service's
    external calls. Set `in_any_order` if the order of events must not matter at all. Otherwise another order may end
    in another state, but must produce no dead letters and must tolerate duplicates as well.
    """
    async with on_a_bench(servers, service, answer=answer) as bench:
        trial = Trial(bench, subscription, [(new_id(), event) for event in events], setup)
        await bench.start()
        expected = await trial.run(lambda: trial.hear(trial.events))
        twice = [each for each in trial.events for _ in range(2)]
        trial.compare("twice", expected, await trial.run(lambda: trial.hear(twice)))
        late = [*trial.events, *reversed(trial.events)]
        trial.compare("again, late", expected, await trial.run(lambda: trial.hear(late)))
        backwards = await trial.run(lambda: trial.hear(trial.events[::-1]))
        again = await trial.run(lambda: trial.hear([*trial.events[::-1], *trial.events]))
        trial.compare("backwards and then again", backwards, again)
        if in_any_order:
            trial.compare("backwards", expected, backwards)
        if len(versions := trial.in_versions()) > len(events):
            trial.compare("in two versions", expected, await trial.run(lambda: trial.hear(versions)))
        trial.compare("among poison", expected, await trial.run(trial.hear_among_poison))
        await bench.stop()
        for treatment, crash in (
            ("crashed before the commit", trial.crash_before_commit),
            ("crashed before the acknowledgement", trial.crash_before_ack),
        ):
            found = await trial.run(crash)
            trial.compare(treatment, *([said_in(expected), said_in(found)] if trial.calls else [expected, found]))
