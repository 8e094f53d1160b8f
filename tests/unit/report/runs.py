"""Builds the JSON of runs for tests."""

import random
from typing import Any

from infra.lab.chaos.kinds import FAMILY
from infra.lab.chaos.schedule import random_schedule

SERVICES = ("catalog", "cart", "checkout", "notifications", "delivery")


def a_run(seconds: int = 120, **changed: Any) -> dict[str, Any]:
    """Return a chaos run during whose middle the broker was stopped."""
    chance = random.Random(seconds)

    def column(high: float, *, gap: bool = False) -> list[float | None]:
        away = range(seconds // 2, seconds // 2 + 8) if gap else range(0)
        return [None if second in away else round(chance.uniform(0, high), 2) for second in range(seconds)]

    faults = [
        {
            "kind": each.fault.kind,
            "family": FAMILY[each.fault.kind],
            "part": each.fault.part,
            "start_s": each.start_s,
            "end_s": each.end_s,
            "undone_s": each.end_s + 2,
            "bite": "it bit",
            "recovered_s": 1.5 if number % 3 else None,
            "drained_s": None,
        }
        for number, each in enumerate(random_schedule(1, seconds, SERVICES))
    ]
    return {
        "title": "Chaos at random",
        "about": "a test",
        "made": "just now",
        "orders": {"accepted": 700, "confirmed": 650, "cancelled": 60, "delivered": 640, "pending": 0},
        "http": {"requests": 9000, "errors": 120, "p50_ms": 14.0, "p99_ms": None},
        "latency_ms": {"accepted_to_confirmed": {"p50": 200.0, "p95": 2000.0, "p99": 15000.0}},
        "events": {"published": 5, "handled": 9, "retried": 1, "dead": 0},
        "faults": faults,
        "recovery": [],
        "verdict": "pass",
        "violations": [],
        "reasons": [],
        "audited": {"orders": 700, "log_gaps": 1},
        "timeline": {
            "began": 0.0,
            "customers_s": seconds - 10,
            "orders": {state: column(9) for state in ("accepted", "confirmed", "cancelled", "delivered")},
            "http": {
                "requests": column(200),
                "failed": column(5),
                **{name: column(3000) for name in ("p50_ms", "p95_ms", "p99_ms")},
            },
            "queues": {name: column(90, gap=True) for name in SERVICES},
            "outbox": {name: column(30) for name in SERVICES},
            "outbox_age_s": {name: column(8, gap=True) for name in SERVICES},
        },
    } | changed
