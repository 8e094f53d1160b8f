"""What a subscription must survive: events twice, late, in another order or version, cut by a crash, among poison.

The measure is what the service makes of each event once, in order: rows, events said, deadlines. Ids and times
that the service made up itself are not compared.
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
    """Put one subscription through everything. Raises `Broken` for the first thing that it does not survive.

    `events` are heard in their order; `setup` brings about the rows that they need; `answer(request)` answers the
    service's outside calls. Where the order of events must not matter at all, say `in_any_order`: otherwise another
    order may lead elsewhere, but must kill nothing and be as safe from duplicates.
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
