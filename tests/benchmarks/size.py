"""Sizes of the measurements: a full run, or a quick one to try something."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    rounds: int
    waiting: int
    """Events that wait when a contender begins."""
    turn_s: float
    """The longest time of a turn. A slower contender is measured by the events that it handled until then."""
    warm_up: int
    """The number of first events that don't count, while it opens connections and compiles statements."""
    lone: int
    """Events sent one at a time, per round."""
    inbox_rows: tuple[int, ...]
    outbox_rows: int
    stored_orders: int
    memory_waiting: int
    orders: int
    """Checkouts that wait for the pipeline."""
    past_events: int
    """Events in the log before a new subscription is created."""


FULL = Size(
    rounds=5,
    waiting=20_000,
    turn_s=12,
    warm_up=1_000,
    lone=400,
    inbox_rows=(1_000_000, 5_000_000),
    outbox_rows=500_000,
    stored_orders=1_000_000,
    memory_waiting=200_000,
    orders=2_000,
    past_events=100_000,
)
QUICK = Size(
    rounds=1,
    waiting=2_000,
    turn_s=5,
    warm_up=100,
    lone=50,
    inbox_rows=(20_000,),
    outbox_rows=5_000,
    stored_orders=20_000,
    memory_waiting=5_000,
    orders=100,
    past_events=3_000,
)
