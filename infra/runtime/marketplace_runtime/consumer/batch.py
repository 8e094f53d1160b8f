"""Defines the batch: deliveries that share one transaction and pass through its stages together."""

from collections.abc import Awaitable, Callable, Sequence

from marketplace_runtime.consumer.decisions import Decision, Outcome
from marketplace_runtime.consumer.delivery import Delivery
from marketplace_runtime.database import Transaction


class Batch:
    """Holds the deliveries of one transaction, and the decisions that stages have made about them.

    A stage removes from `deliveries` what later stages must not see. After the commit each delivery is acknowledged,
    unless a stage has decided otherwise about it.
    """

    def __init__(self, deliveries: Sequence[Delivery]) -> None:
        self.all_deliveries = deliveries
        self.deliveries = list(deliveries)
        """Deliveries that go on to the next stage."""
        self._decisions: dict[Delivery, Decision] = {}

    def decide(self, delivery: Delivery, decision: Decision) -> None:
        """Record that `decision` is carried out after the commit. It replaces the acknowledgement of `delivery`."""
        self._decisions[delivery] = decision

    @property
    def outcome(self) -> Outcome:
        """Return what to do after the commit.

        Decisions are in the order of the deliveries. So the first delivery of an event starts its external call before
        duplicate deliveries await that call.
        """
        if not self._decisions:
            return Outcome(self.all_deliveries)
        done = [each for each in self.all_deliveries if each not in self._decisions]
        return Outcome(done, [(each, self._decisions[each]) for each in self.all_deliveries if each in self._decisions])


Stage = Callable[[Transaction, Batch], Awaitable[None]]


def pipeline(*stages: Stage | None) -> Stage:
    """Return one stage that runs `stages` in this order. Skips None."""
    present = [each for each in stages if each is not None]

    async def run(tx: Transaction, batch: Batch) -> None:
        for stage in present:
            await stage(tx, batch)

    return run
