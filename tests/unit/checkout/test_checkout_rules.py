"""What an order may do, and what it ignores."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from checkout.announcing import said_as
from checkout.domain import (
    EntryType,
    Inconsistent,
    Line,
    Money,
    Order,
    Payment,
    Reason,
    RejectedLine,
    Status,
    TooLate,
)
from contracts.checkout import CancellationReason

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ID = UUID("01930000-0000-7000-8000-000000000001")
PRODUCT = UUID("01930000-0000-7000-8000-000000000002")
HOME = UUID("01930000-0000-7000-8000-000000000003")
LINE = Line(PRODUCT, 2, Money(700, "EUR"))


def an_order(*steps: Callable[[Order], object]) -> Order:
    order = Order.place(ID, "ada", [LINE], Money(1400, "EUR"), at=NOON)
    for step in steps:
        step(order)
    return order


def reserved(order: Order) -> None:
    order.reserve(NOON)


def asked(order: Order) -> None:
    order.ask_provider(NOON)


def confirmed(order: Order) -> None:
    order.reserve(NOON)
    order.captured(str(order.ask_provider(NOON)), NOON)


def cancel_requested(order: Order) -> None:
    order.request_cancellation(NOON)


def dispatched(order: Order) -> None:
    order.shipment_dispatched("a", "T1", NOON)


def history(order: Order) -> list[EntryType]:
    return [entry.type for entry in order.unsaved]


def test_every_reason_can_be_told_to_others() -> None:
    assert {said_as(reason)[0] for reason in Reason} == set(CancellationReason)
    assert len({said_as(reason) for reason in Reason}) == len(Reason)


def test_folding_the_journal_gives_the_order() -> None:
    order = an_order(confirmed, cancel_requested)
    assert Order.fold(order.unsaved) == order
    assert [entry.version for entry in order.unsaved] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("lines", "total"),
    [
        ([LINE], Money(1399, "EUR")),
        ([LINE], Money(1400, "USD")),
        ([LINE, replace(LINE, unit_price=Money(700, "USD"))], Money(2800, "EUR")),
    ],
)
def test_a_total_that_is_not_the_sum_of_the_lines_is_refused(lines: list[Line], total: Money) -> None:
    with pytest.raises(Inconsistent):
        Order.place(ID, "ada", lines, total, at=NOON)


def test_a_changed_price_is_kept_for_the_customer_to_read() -> None:
    order = an_order()
    today = RejectedLine(PRODUCT, "price-changed", 2, 5, Money(900, "EUR"))
    order.reject([today], NOON)
    order.reject([today], NOON)
    assert (order.status, order.reason) == (Status.CANCELLED, Reason.PRICE_CHANGED)
    assert Order.fold(order.unsaved).rejected_lines == (today,)
    assert history(order) == ["placed", "stock-rejected", "cancelled"]


def test_what_is_sold_out_is_cancelled_as_rejected() -> None:
    order = an_order()
    order.reject([RejectedLine(PRODUCT, "sold-out", 2, 0, None)], NOON)
    assert order.reason is Reason.STOCK_REJECTED


def test_what_costs_less_by_now_is_charged_less() -> None:
    chair = Line(UUID(int=7), 1, Money(500, "EUR"))
    order = Order.place(ID, "ada", [LINE, chair], Money(1900, "EUR"), at=NOON)
    order.reserve(NOON, {PRODUCT: Money(600, "EUR")})
    order.reserve(NOON, {PRODUCT: Money(1, "EUR")})
    assert (order.total, order.lines) == (Money(1700, "EUR"), (replace(LINE, unit_price=Money(600, "EUR")), chair))
    assert Order.fold(order.unsaved) == order


@pytest.mark.parametrize(
    "lowered", [{PRODUCT: Money(701, "EUR")}, {PRODUCT: Money(600, "USD")}, {UUID(int=7): Money(600, "EUR")}]
)
def test_what_is_no_lower_price_of_a_line_is_refused(lowered: dict[UUID, Money]) -> None:
    order = an_order()
    with pytest.raises(Inconsistent):
        order.reserve(NOON, lowered)
    assert history(order) == ["placed"]


def without_address() -> Order:
    order = Order.place(ID, "ada", [LINE], Money(1400, "EUR"), at=NOON)
    order.reserve(NOON)
    return order


def test_nobody_is_asked_for_the_money_before_there_is_an_address() -> None:
    order = without_address()
    for _ in range(2):
        order.find_address(None, NOON)
    assert (order.ask_provider(NOON), order.awaits_address) == (None, True)
    order.find_address(HOME, NOON)
    assert (order.ask_provider(NOON), order.address_id) == ("a", HOME)
    assert history(order) == ["placed", "stock-reserved", "address-awaited", "address-known", "payment-asked"]
    assert Order.fold(order.unsaved) == order


def test_an_order_that_no_address_is_found_for_says_so() -> None:
    order = without_address()
    order.find_address(None, NOON)
    order.payment_overdue(NOON)
    assert (order.status, order.reason, order.payment) == (Status.CANCELLED, Reason.NO_ADDRESS, Payment.NONE)
    assert not order.awaits_address, "nobody looks for it any more"


def test_a_later_address_does_not_move_an_order() -> None:
    order = Order.place(ID, "ada", [LINE], Money(1400, "EUR"), at=NOON, address_id=HOME)
    order.reserve(NOON)
    order.find_address(UUID(int=9), NOON)
    assert order.address_id == HOME


def test_an_address_that_is_erased_before_the_charge_is_waited_for_and_replaced() -> None:
    order = Order.place(ID, "ada", [LINE], Money(1400, "EUR"), at=NOON, address_id=HOME)
    order.reserve(NOON)
    order.find_address(None, NOON)
    assert order.ask_provider(NOON) is None
    order.find_address(UUID(int=9), NOON)
    assert (order.ask_provider(NOON), order.address_id) == ("a", UUID(int=9))


def test_an_address_that_is_erased_after_the_first_request_changes_nothing() -> None:
    order = an_order(reserved, asked)
    order.find_address(None, NOON)
    assert order.ask_provider(NOON) == "a"


def test_a_is_asked_first_and_b_once_a_did_not_charge() -> None:
    order = an_order(reserved)
    assert order.ask_provider(NOON) == "a"
    order.not_charged("a", order.asks, NOON)
    assert not order.every_provider_refused
    assert order.ask_provider(NOON) == "b"
    order.not_charged("b", order.asks, NOON)
    assert order.every_provider_refused
    assert order.ask_provider(NOON) == "a"


def test_a_charge_without_an_answer_stays_with_its_provider() -> None:
    order = an_order(reserved, asked)
    assert [order.ask_provider(NOON) for _ in range(3)] == ["a", "a", "a"]


def test_a_no_does_not_count_while_another_request_may_be_on_its_way() -> None:
    order = an_order(reserved, asked, asked)
    order.not_charged("a", 2, NOON)
    assert order.payment is Payment.CLOSING
    assert order.key_to_close == "a"
    assert order.ask_provider(NOON) is None
    order.voided("a", refunded=True, at=NOON)
    assert [order.ask_provider(NOON), order.status] == ["b", Status.PAYING]


def test_a_stale_no_does_not_count_either() -> None:
    order = an_order(reserved, asked, asked)
    order.not_charged("a", 1, NOON)
    assert order.payment is Payment.CLOSING


def test_a_capture_after_the_key_was_ordered_closed_is_left_to_the_void() -> None:
    order = an_order(reserved, asked, asked)
    order.not_charged("a", 2, NOON)
    order.captured("a", NOON)
    assert order.status is Status.PAYING


def test_an_order_that_no_provider_can_charge_any_more_is_cancelled() -> None:
    order = an_order(reserved)
    for provider in "ab":
        asked(order)
        asked(order)
        order.not_charged(provider, order.asks, NOON)
        order.voided(provider, refunded=False, at=NOON)
    assert (order.status, order.reason) == (Status.CANCELLED, Reason.PAYMENT_TIMED_OUT)


@pytest.mark.parametrize("doubt", [False, True])
def test_the_payment_deadline_voids_what_may_be_held(doubt: bool) -> None:
    order = an_order(reserved, asked)
    if doubt:
        asked(order)
        order.not_charged("a", 2, NOON)
    order.payment_overdue(NOON)
    assert (order.status, order.key_to_close) == (Status.VOIDING, "a")
    order.captured("a", NOON)
    assert order.status is Status.VOIDING
    order.voided("a", refunded=True, at=NOON)
    assert (order.status, order.reason) == (Status.CANCELLED, Reason.PAYMENT_TIMED_OUT)
    assert not order.owes_refund


def test_the_payment_deadline_cancels_at_once_when_nobody_can_hold_anything() -> None:
    order = an_order(reserved, asked)
    order.not_charged("a", 1, NOON)
    order.payment_overdue(NOON)
    assert order.status is Status.CANCELLED


def test_a_certain_no_ends_a_voiding_order() -> None:
    order = an_order(reserved, asked, cancel_requested)
    assert order.status is Status.VOIDING
    order.not_charged("a", 1, NOON)
    assert (order.status, order.reason) == (Status.CANCELLED, Reason.CUSTOMER)


def test_a_decline_is_final_and_the_other_provider_is_not_tried() -> None:
    order = an_order(reserved, asked)
    order.declined("a", NOON)
    assert (order.status, order.reason) == (Status.CANCELLED, Reason.PAYMENT_DECLINED)
    assert order.ask_provider(NOON) is None


def test_an_expired_reservation_leaves_a_paid_order_alone() -> None:
    order = an_order(confirmed)
    order.give_up(Reason.RESERVATION_EXPIRED, NOON)
    assert order.status is Status.CONFIRMED


def test_a_refusal_is_kept_also_when_the_parcel_arrives_first() -> None:
    order = an_order(confirmed, cancel_requested)
    order.delivered(NOON)
    order.refuse_cancellation("already-dispatched", NOON)
    assert (order.status, order.cancellation_refused) == (Status.DELIVERED, "already-dispatched")


def test_after_a_refusal_the_order_goes_on_and_it_is_too_late() -> None:
    order = an_order(confirmed, cancel_requested)
    order.refuse_cancellation("already-dispatched", NOON)
    assert order.status is Status.CONFIRMED
    with pytest.raises(TooLate):
        order.request_cancellation(NOON)


def test_a_parcel_that_left_cannot_be_cancelled() -> None:
    with pytest.raises(TooLate, match="The parcel has left"):
        an_order(confirmed, dispatched, cancel_requested)


def test_an_order_that_was_delivered_cannot_be_cancelled_and_says_so() -> None:
    order = an_order(confirmed)
    order.delivered(NOON)
    with pytest.raises(TooLate, match="The order was delivered"):
        order.request_cancellation(NOON)


def test_a_stopped_shipment_is_refunded_once() -> None:
    order = an_order(confirmed, cancel_requested)
    order.shipment_stopped(Reason.CUSTOMER, NOON)
    order.shipment_stopped(Reason.SHIPPING_FAILED, NOON)
    assert (order.reason, order.owes_refund) == (Reason.CUSTOMER, True)
    order.refunded(NOON)
    order.refunded(NOON)
    assert history(order).count(EntryType.REFUNDED) == 1


def test_a_delay_is_noted_once_and_only_before_dispatch() -> None:
    late = an_order(confirmed)
    late.shipping_overdue(NOON)
    late.shipping_overdue(NOON)
    assert history(late).count(EntryType.SHIPPING_DELAYED) == 1
    sent = an_order(confirmed, dispatched)
    sent.shipping_overdue(NOON)
    assert not sent.shipping_delayed


COMMANDS: dict[str, Callable[[Order], object]] = {
    "reserve": reserved,
    "reject": lambda order: order.reject([], NOON),
    "stock_unanswered": lambda order: order.stock_unanswered(NOON),
    "ask": asked,
    "captured": lambda order: order.captured("a", NOON),
    "declined": lambda order: order.declined("a", NOON),
    "not_charged": lambda order: order.not_charged("a", order.asks, NOON),
    "voided": lambda order: order.voided("a", refunded=False, at=NOON),
    "expired": lambda order: order.give_up(Reason.RESERVATION_EXPIRED, NOON),
    "overdue": lambda order: order.payment_overdue(NOON),
    "stopped": lambda order: order.shipment_stopped(Reason.CUSTOMER, NOON),
    "dispatched": dispatched,
    "delivered": lambda order: order.delivered(NOON),
    "delayed": lambda order: order.shipping_overdue(NOON),
}


@pytest.mark.parametrize(("end", "command"), list(itertools.product(["cancelled", "delivered"], COMMANDS)))
def test_nothing_happens_to_an_order_that_is_over(end: str, command: str) -> None:
    order = an_order(confirmed)
    if end == "cancelled":
        order.shipment_stopped(Reason.CUSTOMER, NOON)
    else:
        order.delivered(NOON)
    before = order.version
    COMMANDS[command](order)
    assert (order.version, order.status) == (before, end)
