"""The parts of one order's story that each service has are merged in the order of time."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from infra.lab.watch import merge_histories
from marketplace_runtime.events import matches

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
EMPTY: dict[str, list[dict[str, Any]]] = {
    "said": [],
    "handled": [],
    "incidents": [],
    "waiting": [],
    "dead": [],
    "settled": [],
}


def at(seconds: float) -> str:
    return (NOON + timedelta(seconds=seconds)).isoformat()


def published(id: str, type: str, seconds: float, cause: str | None = None, *, pending: bool = False) -> dict[str, Any]:
    return {"event_id": id, "type": type, "at": at(seconds), "causation_id": cause, "pending": pending}


def handled(id: str, subscription: str, seconds: float, attempt: int = 1) -> dict[str, Any]:
    return {"event_id": id, "subscription": subscription, "at": at(seconds), "attempt": attempt}


def incident(id: str, what: str, seconds: float, why: str) -> dict[str, Any]:
    where = {"event_id": id, "subscription": "carts", "type": "cart.cart-checked-out.v1"}
    return where | {"what": what, "at": at(seconds), "attempt": 1, "why": why}


CART = EMPTY | {"said": [published("1", "cart.cart-checked-out.v1", 0)]}


def test_an_event_is_published_then_handled_and_leads_to_the_next() -> None:
    checkout = EMPTY | {
        "said": [published("2", "checkout.order-placed.v1", 0.5, cause="1", pending=True)],
        "handled": [handled("1", "carts", 0.5)],
    }
    first, second, third = merge_histories({"checkout": checkout, "cart": CART})
    assert (first.service, first.what, first.detail) == ("cart", "said", "a request from outside")
    assert (second.where, second.what, second.detail) == ("checkout.carts", "handled", "after 0.500 s")
    assert third.detail == "because of cart.cart-checked-out.v1, waits to be published"


def test_failures_and_duplicates_are_listed_at_their_time_with_their_cause() -> None:
    checkout = EMPTY | {
        "incidents": [incident("1", "duplicate", 3, "published again"), incident("1", "failed", 1, "ValueError: no")],
        "handled": [handled("1", "carts", 2, attempt=2)],
    }
    story = merge_histories({"cart": CART, "checkout": checkout})
    assert [each.what for each in story] == ["said", "failed", "handled", "duplicate"]
    assert [each.detail for each in story[1:]] == [
        "attempt 1: ValueError: no",
        "after 2.000 s, attempt 2",
        "published again",
    ]


def test_an_edited_dead_letter_and_its_event_are_listed() -> None:
    letter = {"id": 7, "subscription": "carts", "event_id": "9", "type": "cart.cart-checked-out.v1"}
    edited = letter | {"action": "edited", "by": "root", "note": "a price was missing", "at": at(5)}
    checkout = EMPTY | {"settled": [edited], "handled": [handled("9", "carts", 6)]}
    first, second = merge_histories({"checkout": checkout})
    assert (first.what, first.type, first.where) == ("settled", "cart.cart-checked-out.v1", "checkout.carts")
    assert first.detail == "dead letter 7 edited by root: a price was missing"
    assert (second.what, second.type) == ("handled", "cart.cart-checked-out.v1")


def test_an_event_published_in_two_versions_is_handled_once() -> None:
    delivery = EMPTY | {"said": [published("1", f"delivery.shipment-dispatched.v{n}", 0) for n in (1, 2)]}
    checkout = EMPTY | {"handled": [handled("1", "shipments", 1)]}
    story = merge_histories({"delivery": delivery, "checkout": checkout})
    assert [(each.what, each.type) for each in story] == [
        ("said", "delivery.shipment-dispatched.v1"),
        ("said", "delivery.shipment-dispatched.v2"),
        ("handled", "delivery.shipment-dispatched"),
    ]


def test_waiting_events_are_listed_at_their_time_and_parked_ones_at_the_end() -> None:
    where = {"event_id": "9", "subscription": "deadlines", "type": "checkout.payment-due.v1", "attempt": 1}
    checkout = EMPTY | {
        "waiting": [where | {"due": None, "why": "parked"}, where | {"due": at(30), "why": "deadline"}],
        "dead": [where | {"reason": "rejected", "error": "Reject: never", "attempts": 1, "at": at(40)}],
    }
    story = merge_histories({"cart": CART, "checkout": checkout})
    assert [(each.what, each.detail) for each in story[1:]] == [
        ("waiting", "deadline"),
        ("dead", "rejected after 1: Reject: never"),
        ("waiting", "parked"),
    ]


@pytest.mark.parametrize(
    ("pattern", "type", "expected"),
    [
        ("*", "checkout.order-placed.v1", True),
        ("checkout.*", "checkout.order-placed.v1", True),
        ("order-*", "checkout.order-placed.v1", True),
        ("order-placed", "checkout.order-placed.v1", True),
        ("*.v2", "checkout.order-placed.v1", False),
        ("cart.*", "checkout.order-placed.v1", False),
    ],
)
def test_a_pattern_matches_a_type_or_its_name(pattern: str, type: str, *, expected: bool) -> None:
    assert matches(pattern, type) is expected
