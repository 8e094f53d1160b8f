"""The rules by which requests and events change an order, or are ignored."""

import itertools
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from uuid import UUID

import pytest

from checkout.domain import (
    Entry,
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
    paying,
    placing,
    shipping,
)
from checkout.publishing import published_reason
from contracts.checkout import CancellationReason

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
ID = UUID("01930000-0000-7000-8000-000000000001")
PRODUCT = UUID("01930000-0000-7000-8000-000000000002")
HOME = UUID("01930000-0000-7000-8000-000000000003")
LINE = Line(PRODUCT, 2, Money(700, "EUR"))

Step = Callable[[Order], list[Entry]]
Journal = tuple[Order, list[Entry]]
"""An order, and the entries of its journal."""


def a_journal(*steps: Step, lines: Sequence[Line] = (LINE,), address_id: UUID | None = None) -> Journal:
    total = Money(sum(line.quantity * line.unit_price.amount for line in lines), "EUR")
    order, journal = placing.place(ID, "ada", lines, total, at=NOON, address_id=address_id)
    for step in steps:
        journal += step(order)
    return order, journal


def an_order(*steps: Step, address_id: UUID | None = None) -> Order:
    return a_journal(*steps, address_id=address_id)[0]


def ask(order: Order) -> str | None:
    return paying.choose_provider(order, NOON)[0]


def reserved(order: Order) -> list[Entry]:
    return placing.reserve(order, NOON)


def asked(order: Order) -> list[Entry]:
    return paying.choose_provider(order, NOON)[1]


def captured(order: Order) -> list[Entry]:
    return paying.record_capture(order, "a", NOON)


def confirmed(order: Order) -> list[Entry]:
    return [*reserved(order), *asked(order), *captured(order)]


def cancel_requested(order: Order) -> list[Entry]:
    return shipping.request_cancellation(order, NOON)


def dispatched(order: Order) -> list[Entry]:
    return shipping.record_dispatch(order, "a", "T1", NOON)


def types(entries: Iterable[Entry]) -> list[EntryType]:
    return [entry.type for entry in entries]


def test_every_reason_has_its_own_published_form() -> None:
    assert {published_reason(reason)[0] for reason in Reason} == set(CancellationReason)
    assert len({published_reason(reason) for reason in Reason}) == len(Reason)


def test_folding_the_journal_gives_the_order() -> None:
    order, journal = a_journal(confirmed, cancel_requested)
    assert Order.fold(journal) == order
    assert [entry.version for entry in journal] == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize(
    ("lines", "total"),
    [
        ([LINE], Money(1399, "EUR")),
        ([LINE], Money(1400, "USD")),
        ([LINE, replace(LINE, unit_price=Money(700, "USD"))], Money(2800, "EUR")),
    ],
)
def test_a_total_that_differs_from_the_sum_of_the_lines_is_refused(lines: list[Line], total: Money) -> None:
    with pytest.raises(Inconsistent):
        placing.place(ID, "ada", lines, total, at=NOON)


def test_an_order_rejected_for_a_higher_price_keeps_the_price_for_the_customer() -> None:
    today = RejectedLine(PRODUCT, "price-changed", 2, 5, Money(900, "EUR"))

    def rejected(order: Order) -> list[Entry]:
        return placing.reject(order, [today], NOON)

    order, journal = a_journal(rejected, rejected)
    assert (order.status, order.reason) == (Status.CANCELLED, Reason.PRICE_CHANGED)
    assert Order.fold(journal).rejected_lines == (today,)
    assert types(journal) == ["placed", "stock-rejected", "cancelled"]


def test_an_order_of_a_sold_out_product_is_cancelled_as_rejected() -> None:
    order = an_order()
    placing.reject(order, [RejectedLine(PRODUCT, "sold-out", 2, 0, None)], NOON)
    assert order.reason is Reason.STOCK_REJECTED


def test_a_lower_price_lowers_the_total() -> None:
    chair = Line(UUID(int=7), 1, Money(500, "EUR"))
    order, journal = a_journal(
        lambda order: placing.reserve(order, NOON, {PRODUCT: Money(600, "EUR")}),
        lambda order: placing.reserve(order, NOON, {PRODUCT: Money(1, "EUR")}),
        lines=[LINE, chair],
    )
    assert (order.total, order.lines) == (Money(1700, "EUR"), (replace(LINE, unit_price=Money(600, "EUR")), chair))
    assert Order.fold(journal) == order


@pytest.mark.parametrize(
    "lowered", [{PRODUCT: Money(701, "EUR")}, {PRODUCT: Money(600, "USD")}, {UUID(int=7): Money(600, "EUR")}]
)
def test_a_lowered_price_must_be_lower_in_the_same_currency_and_for_a_line(lowered: dict[UUID, Money]) -> None:
    order = an_order()
    with pytest.raises(Inconsistent):
        placing.reserve(order, NOON, lowered)
    assert order == an_order()


def test_no_provider_is_asked_before_there_is_an_address() -> None:
    order, journal = a_journal(reserved)
    for _ in range(2):
        journal += placing.set_address(order, None, NOON)
    assert (paying.choose_provider(order, NOON), order.awaits_address) == ((None, []), True)
    journal += placing.set_address(order, HOME, NOON)
    journal += asked(order)
    assert (order.provider, order.address_id) == ("a", HOME)
    assert types(journal) == ["placed", "stock-reserved", "address-awaited", "address-known", "payment-asked"]
    assert Order.fold(journal) == order


def test_an_order_without_an_address_is_cancelled_for_that_reason() -> None:
    order = an_order(reserved)
    placing.set_address(order, None, NOON)
    paying.give_up_unpaid(order, NOON)
    assert (order.status, order.reason, order.payment) == (Status.CANCELLED, Reason.NO_ADDRESS, Payment.NONE)
    assert not order.awaits_address, "a cancelled order needs no address"


def test_a_later_address_does_not_change_an_order() -> None:
    order = an_order(reserved, address_id=HOME)
    placing.set_address(order, UUID(int=9), NOON)
    assert order.address_id == HOME


def test_an_order_whose_address_is_erased_before_the_charge_waits_for_another() -> None:
    order = an_order(reserved, address_id=HOME)
    placing.set_address(order, None, NOON)
    assert ask(order) is None
    placing.set_address(order, UUID(int=9), NOON)
    assert (ask(order), order.address_id) == ("a", UUID(int=9))


def test_erasing_the_address_after_the_first_request_changes_nothing() -> None:
    order = an_order(reserved, asked)
    placing.set_address(order, None, NOON)
    assert ask(order) == "a"


def test_provider_b_is_asked_after_provider_a_did_not_charge() -> None:
    order = an_order(reserved)
    assert ask(order) == "a"
    paying.record_not_charged(order, "a", order.asks, NOON)
    assert not paying.every_provider_refused(order)
    assert ask(order) == "b"
    paying.record_not_charged(order, "b", order.asks, NOON)
    assert paying.every_provider_refused(order)
    assert ask(order) == "a"


def test_a_charge_without_an_answer_is_repeated_to_the_same_provider() -> None:
    order = an_order(reserved, asked)
    assert [ask(order) for _ in range(3)] == ["a", "a", "a"]


def test_a_refusal_is_not_final_while_another_request_may_be_on_its_way() -> None:
    order = an_order(reserved, asked, asked)
    paying.record_not_charged(order, "a", 2, NOON)
    assert order.payment is Payment.CLOSING
    assert paying.key_to_close(order) == "a"
    assert ask(order) is None
    paying.record_void(order, "a", refunded=True, at=NOON)
    assert [ask(order), order.status] == ["b", Status.PAYING]


def test_a_refusal_of_an_earlier_request_is_not_final() -> None:
    order = an_order(reserved, asked, asked)
    paying.record_not_charged(order, "a", 1, NOON)
    assert order.payment is Payment.CLOSING


def test_a_capture_reported_while_its_key_is_being_voided_is_ignored() -> None:
    order = an_order(reserved, asked, asked)
    paying.record_not_charged(order, "a", 2, NOON)
    paying.record_capture(order, "a", NOON)
    assert order.status is Status.PAYING


def test_an_order_is_cancelled_when_every_provider_voided_its_key() -> None:
    order = an_order(reserved)
    for provider in "ab":
        asked(order)
        asked(order)
        paying.record_not_charged(order, provider, order.asks, NOON)
        paying.record_void(order, provider, refunded=False, at=NOON)
    assert (order.status, order.reason) == (Status.CANCELLED, Reason.PAYMENT_TIMED_OUT)


@pytest.mark.parametrize("doubt", [False, True])
def test_the_payment_deadline_voids_a_payment_that_may_be_held(doubt: bool) -> None:
    order = an_order(reserved, asked)
    if doubt:
        asked(order)
        paying.record_not_charged(order, "a", 2, NOON)
    paying.give_up_unpaid(order, NOON)
    assert (order.status, paying.key_to_close(order)) == (Status.VOIDING, "a")
    paying.record_capture(order, "a", NOON)
    assert order.status is Status.VOIDING
    paying.record_void(order, "a", refunded=True, at=NOON)
    assert (order.status, order.reason) == (Status.CANCELLED, Reason.PAYMENT_TIMED_OUT)
    assert not paying.needs_refund(order)


def test_the_payment_deadline_cancels_at_once_when_no_provider_can_hold_a_payment() -> None:
    order = an_order(reserved, asked)
    paying.record_not_charged(order, "a", 1, NOON)
    paying.give_up_unpaid(order, NOON)
    assert order.status is Status.CANCELLED


def test_a_final_refusal_ends_a_voiding_order() -> None:
    order = an_order(reserved, asked, cancel_requested)
    assert order.status is Status.VOIDING
    paying.record_not_charged(order, "a", 1, NOON)
    assert (order.status, order.reason) == (Status.CANCELLED, Reason.CUSTOMER)


def test_a_decline_is_final_and_the_other_provider_is_not_tried() -> None:
    order = an_order(reserved, asked)
    paying.record_decline(order, "a", NOON)
    assert (order.status, order.reason) == (Status.CANCELLED, Reason.PAYMENT_DECLINED)
    assert ask(order) is None


def test_an_expired_reservation_does_not_change_a_paid_order() -> None:
    order = an_order(confirmed)
    paying.give_up(order, Reason.RESERVATION_EXPIRED, NOON)
    assert order.status is Status.CONFIRMED


def test_a_refused_cancellation_is_recorded_even_after_the_delivery() -> None:
    order = an_order(confirmed, cancel_requested)
    shipping.record_delivery(order, NOON)
    shipping.refuse_cancellation(order, "already-dispatched", NOON)
    assert (order.status, order.cancellation_refused) == (Status.DELIVERED, "already-dispatched")


def test_after_a_refused_cancellation_the_order_continues_and_refuses_others() -> None:
    order = an_order(confirmed, cancel_requested)
    shipping.refuse_cancellation(order, "already-dispatched", NOON)
    assert order.status is Status.CONFIRMED
    with pytest.raises(TooLate):
        shipping.request_cancellation(order, NOON)


def test_a_dispatched_order_cannot_be_cancelled() -> None:
    with pytest.raises(TooLate, match="The parcel has left"):
        an_order(confirmed, dispatched, cancel_requested)


def test_a_delivered_order_cannot_be_cancelled() -> None:
    order = an_order(confirmed)
    shipping.record_delivery(order, NOON)
    with pytest.raises(TooLate, match="The order was delivered"):
        shipping.request_cancellation(order, NOON)


def test_a_stopped_shipment_is_refunded_once() -> None:
    order = an_order(confirmed, cancel_requested)
    shipping.cancel_confirmed(order, Reason.CUSTOMER, NOON)
    shipping.cancel_confirmed(order, Reason.SHIPPING_FAILED, NOON)
    assert (order.reason, paying.needs_refund(order)) == (Reason.CUSTOMER, True)
    assert types(paying.record_refund(order, NOON)) == ["refunded"]
    assert paying.record_refund(order, NOON) == []


def test_a_delay_is_recorded_once_and_only_before_dispatch() -> None:
    late = an_order(confirmed)
    assert types(shipping.record_delay(late, NOON)) == ["shipping-delayed"]
    assert shipping.record_delay(late, NOON) == []
    sent = an_order(confirmed, dispatched)
    assert shipping.record_delay(sent, NOON) == []
    assert not sent.shipping_delayed


COMMANDS: dict[str, Step] = {
    "reserve": reserved,
    "reject": lambda order: placing.reject(order, [], NOON),
    "stock_unanswered": lambda order: placing.cancel_unanswered(order, NOON),
    "ask": asked,
    "captured": captured,
    "declined": lambda order: paying.record_decline(order, "a", NOON),
    "not_charged": lambda order: paying.record_not_charged(order, "a", order.asks, NOON),
    "voided": lambda order: paying.record_void(order, "a", refunded=False, at=NOON),
    "expired": lambda order: paying.give_up(order, Reason.RESERVATION_EXPIRED, NOON),
    "overdue": lambda order: paying.give_up_unpaid(order, NOON),
    "stopped": lambda order: shipping.cancel_confirmed(order, Reason.CUSTOMER, NOON),
    "dispatched": dispatched,
    "delivered": lambda order: shipping.record_delivery(order, NOON),
    "delayed": lambda order: shipping.record_delay(order, NOON),
}


@pytest.mark.parametrize(("end", "command"), list(itertools.product(["cancelled", "delivered"], COMMANDS)))
def test_an_ended_order_does_not_change(end: str, command: str) -> None:
    order = an_order(confirmed)
    if end == "cancelled":
        shipping.cancel_confirmed(order, Reason.CUSTOMER, NOON)
    else:
        shipping.record_delivery(order, NOON)
    before = order.version
    assert COMMANDS[command](order) == []
    assert (order.version, order.status) == (before, end)
