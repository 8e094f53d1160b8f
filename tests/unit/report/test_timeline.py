"""All time lines share one axis, and missing samples are not shown as zero."""

from infra.lab.report.timeline import timeline
from infra.lab.simulator import FiguresBySecond
from infra.lab.watch import Figures, Samples

SERVICES = ("cart", "checkout")


def test_seconds_without_a_sample_are_unknown() -> None:
    samples = Samples()
    samples.replicas["cart.1"] = {102: Figures(outbox=3, outbox_age_s=1.5)}
    samples.queues[101] = {"cart.orders": 4, "cart.dead": 1}
    seconds = FiguresBySecond(
        opened=100.7,
        closed=103.9,
        orders={"accepted": {100: 2, 103: 1}, "delivered": {}},
        http={101: {"requests": 9, "failed": 1, "p50_ms": 5.0, "p95_ms": 6.0, "p99_ms": 7.0}},
    )
    found = timeline(seconds, samples, SERVICES, duration_s=2)
    assert found["orders"] == {"accepted": [2, 0, 0, 1], "delivered": [0, 0, 0, 0]}
    assert found["queues"] == {"cart": [None, 5, None, None], "checkout": [None, 0, None, None]}
    assert found["outbox_age_s"] == {"cart": [None, None, 1.5, None], "checkout": [None] * 4}
    assert found["http"]["requests"] == [0, 9, 0, 0]
    assert found["http"]["p99_ms"] == [None, 7.0, None, None]


def test_the_time_line_ends_soon_after_the_last_order() -> None:
    seconds = FiguresBySecond(opened=100.0, closed=190.0, orders={"delivered": {130: 1}})
    found = timeline(seconds, Samples(), SERVICES, duration_s=20)
    assert len(found["http"]["requests"]) == 36
