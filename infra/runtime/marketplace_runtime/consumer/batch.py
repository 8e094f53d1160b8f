"""A batch: the deliveries that share one transaction, on their way through its stages."""

from collections.abc import Awaitable, Callable, Sequence

from marketplace_runtime.consumer.decisions import Decision, Outcome
from marketplace_runtime.consumer.delivery import Delivery
from marketplace_runtime.database import Transaction


class Batch:
    """Stages take deliveries out of `deliveries`. What is not decided otherwise is acknowledged after the commit."""

    def __init__(self, deliveries: Sequence[Delivery]) -> None:
        self.all = deliveries
        self.deliveries = list(deliveries)
        """Those that go on to the next stage."""
        self._decided: dict[Delivery, Decision] = {}

    def decide(self, delivery: Delivery, decision: Decision) -> None:
        """Have something else done about a delivery after the commit than acknowledging it."""
        self._decided[delivery] = decision

    @property
    def outcome(self) -> Outcome:
        """What to do after the commit, in the order of the deliveries: a call begins before its twin waits for it."""
        if not self._decided:
            return Outcome(self.all)
        done = [each for each in self.all if each not in self._decided]
        return Outcome(done, [(each, self._decided[each]) for each in self.all if each in self._decided])


Stage = Callable[[Transaction, Batch], Awaitable[None]]


def pipeline(*stages: Stage | None) -> Stage:
    """Return one stage that runs `stages` in their order; None is left out."""
    present = [each for each in stages if each is not None]

    async def run(tx: Transaction, batch: Batch) -> None:
        for stage in present:
            await stage(tx, batch)

    return run
