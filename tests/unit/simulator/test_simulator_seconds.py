"""Customers' waiting times and the states of their orders, second by second."""

import pytest

from infra.lab.simulator.figures_by_second import RequestsBySecond, orders_by_second
from infra.lab.simulator.orders import Order


def test_a_wait_counts_in_the_second_in_which_the_request_was_sent() -> None:
    waits = RequestsBySecond()
    for waited_s in (0.010, 0.030, 0.020):
        waits.record(7.9, waited_s, failed=False)
    waits.record(9.0, 4.0, failed=True)
    found = waits.summary()
    assert list(found) == [7, 9]
    assert found[7] == {"requests": 3, "failed": 0, "p50_ms": 20, "p95_ms": 30, "p99_ms": 30}
    assert found[9] == {"requests": 1, "failed": 1, "p50_ms": 4000, "p95_ms": 4000, "p99_ms": 4000}


@pytest.mark.parametrize(("percent", "expected"), [(50, 50), (95, 95), (99, 99)])
def test_a_percentile_is_one_of_the_measured_waits(percent: int, expected: int) -> None:
    waits = RequestsBySecond()
    for number in range(1, 101):
        waits.record(1.0, number / 1000, failed=False)
    assert waits.summary()[1][f"p{percent}_ms"] == expected


def test_an_order_counts_in_every_second_in_which_it_reached_a_state() -> None:
    order = Order("o", "anna", 1.0, times={"accepted": 2.5})
    order.saw_journal(
        [
            {"type": "confirmed", "at": "1970-01-01T00:00:03.100000+00:00"},
            {"type": "shipped", "at": "1970-01-01T00:00:05+00:00"},
            {"type": "delivered", "at": "1970-01-01T00:00:09.900000+00:00"},
        ]
    )
    found = orders_by_second([order])
    assert {state: dict(seconds) for state, seconds in found.items()} == {
        "accepted": {2: 1},
        "confirmed": {3: 1},
        "cancelled": {},
        "delivered": {9: 1},
    }
