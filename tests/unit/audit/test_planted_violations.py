"""Each promise is broken once in otherwise correct evidence. The audit reports that violation and no other."""

import copy
import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from infra.lab.audit.evidence import CarrierEntry, Evidence, Mail, PaymentEntry
from infra.lab.audit.invariants import INVARIANTS
from infra.lab.audit.judge import MinimumActivity, judge
from infra.lab.audit.log import InvalidMessage, Log, PublishedEvent
from infra.lab.audit.record import CheckoutRequest
from tests.unit.audit.world import (
    ADA,
    BEN,
    CALLED_OFF,
    HOOK,
    JOURNALS,
    KEPT,
    LAMP,
    RARE,
    SAM,
    SOLD_OUT,
    START,
    TOO_LATE,
    a_world,
    event_about,
    event_id,
    journal_of,
    total,
)

Plant = Callable[[Evidence], Evidence]
PLANTS: list[tuple[Plant, set[str]]] = []
"""Each change of the evidence, and the invariants that report it."""
UNKNOWN_ORDER = "00000000-0000-7000-8000-000000000009"


def noticed_by(*invariants: str) -> Callable[[Plant], Plant]:
    def plant(do: Plant) -> Plant:
        PLANTS.append((do, set(invariants)))
        return do

    return plant


def with_row(rows: Mapping[str, Any], key: Any, **changed: Any) -> dict[Any, Any]:
    return {**rows, key: {**rows[key], **changed}}


def without(rows: Mapping[Any, Any], key: Any) -> dict[Any, Any]:
    return {each: row for each, row in rows.items() if each != key}


def with_books(found: Evidence, service: str, **changed: Any) -> Evidence:
    return replace(
        found, messaging_tables={**found.messaging_tables, service: replace(found.messaging_tables[service], **changed)}
    )


def the(found: Evidence, order_id: str, type: str) -> PublishedEvent:
    [event] = [each for each in found.log.events.values() if (each.subject, each.type) == (order_id, type)]
    return event


def committed(found: Evidence, event: PublishedEvent) -> Evidence:
    """Add the event to the log and to its publisher's outbox."""
    log = Log({**found.log.events, (event.id, event.type): event})
    outbox = {**found.messaging_tables[str(event.user)].outbox, (event.id, event.type): next(iter(event.digests))}
    return with_books(replace(found, log=log), str(event.user), outbox=outbox)


def with_body(event: PublishedEvent, **members: Any) -> PublishedEvent:
    """Return the same event with some members of its body replaced."""
    raw = json.dumps({**event.body, **members}).encode()
    return replace(event, raw=raw, digests={hashlib.sha256(raw).digest()})


# -- orders -------------------------------------------------------------------------------------------------


@noticed_by("accepted-is-ordered")
def an_accepted_order_that_checkout_does_not_have(found: Evidence) -> Evidence:
    return replace(
        found,
        record=replace(
            found.record, checkout_requests={**found.record.checkout_requests, "7": CheckoutRequest(ADA, UNKNOWN_ORDER)}
        ),
    )


@noticed_by("accepted-is-ordered")
def an_order_promised_under_two_keys(found: Evidence) -> Evidence:
    return replace(
        found,
        record=replace(
            found.record, checkout_requests={**found.record.checkout_requests, "7": CheckoutRequest(ADA, KEPT)}
        ),
    )


@noticed_by("accepted-is-ordered", "mail-reaches-its-customer")
def an_order_of_another_customer(found: Evidence) -> Evidence:
    return replace(
        found,
        record=replace(
            found.record, checkout_requests={**found.record.checkout_requests, "1": CheckoutRequest(BEN, KEPT)}
        ),
    )


@noticed_by("nobody-ordered-unasked")
def an_order_although_the_checkout_was_refused(found: Evidence) -> Evidence:
    checkout_requests = {**found.record.checkout_requests, "1": CheckoutRequest(ADA, refused=True)}
    return replace(found, record=replace(found.record, checkout_requests=checkout_requests))


@noticed_by("nobody-ordered-unasked")
def two_orders_by_one_checkout_without_an_answer(found: Evidence) -> Evidence:
    checkout_requests = {**without(found.record.checkout_requests, "2"), "1": CheckoutRequest(ADA)}
    return replace(found, record=replace(found.record, checkout_requests=checkout_requests))


@noticed_by("checked-out-is-placed", "events-say-what-is-recorded")
def an_order_of_another_quantity_than_was_checked_out(found: Evidence) -> Evidence:
    event = the(found, KEPT, "cart.cart-checked-out.v1")
    changed = replace(event, raw=event.raw.replace(b'"quantity": 2', b'"quantity": 3'))
    return replace(found, log=Log({**found.log.events, (event.id, event.type): changed}))


@noticed_by(
    *("accepted-is-ordered", "checked-out-is-placed", "captured-is-owed", "charged-in-the-orders-currency"),
    *("reservations-follow-orders", "bought-leaves-the-cart", "shipped-once", "shipments-follow-carriers"),
    *("said-is-journalled", "never-charged-twice", "customers-read-the-truth", "stock-adds-up"),
    "events-say-what-is-recorded",
)
def an_order_deleted_from_checkout(found: Evidence) -> Evidence:
    kept = replace(
        found.checkout, orders=without(found.checkout.orders, KEPT), journal=without(found.checkout.journal, KEPT)
    )
    return replace(found, checkout=kept)


@noticed_by("read-model-is-its-journal")
def a_deleted_order_row(found: Evidence) -> Evidence:
    return replace(found, checkout=replace(found.checkout, orders=without(found.checkout.orders, KEPT)))


@noticed_by("read-model-is-its-journal")
def a_changed_order_row(found: Evidence) -> Evidence:
    return replace(found, checkout=replace(found.checkout, orders=with_row(found.checkout.orders, KEPT, version=9)))


@noticed_by("customers-read-the-truth")
def a_wrong_status_shown_to_a_customer(found: Evidence) -> Evidence:
    return replace(found, customer_orders=with_row(found.customer_orders, KEPT, status="confirmed"))


@noticed_by("customers-read-the-truth")
def an_order_not_shown_to_its_customer(found: Evidence) -> Evidence:
    return replace(found, customer_orders=without(found.customer_orders, KEPT))


@noticed_by(
    *("every-order-ends", "read-model-is-its-journal", "said-is-journalled", "customers-read-the-truth"),
    *("bought-leaves-the-cart",),
    "events-say-what-is-recorded",
)
def an_order_that_never_ends(found: Evidence) -> Evidence:
    return journal_of(found, SOLD_OUT, "placed", "stock-rejected")


@noticed_by("journals-are-lawful")
def a_gap_in_a_journal(found: Evidence) -> Evidence:
    journal = found.checkout.journal[KEPT]
    gap = tuple(replace(each, version=each.version + 1) if each.version > 3 else each for each in journal)
    orders = with_row(found.checkout.orders, KEPT, version=8)
    return replace(
        found, checkout=replace(found.checkout, orders=orders, journal={**found.checkout.journal, KEPT: gap})
    )


@noticed_by("journals-are-lawful", "read-model-is-its-journal")
def an_impossible_journal_entry(found: Evidence) -> Evidence:
    return journal_of(found, KEPT, *JOURNALS[KEPT], "dispatched")


@noticed_by("journals-are-lawful", "read-model-is-its-journal")
def a_second_provider_asked_while_the_first_is_open(found: Evidence) -> Evidence:
    changed = journal_of(found, KEPT, *JOURNALS[KEPT][:3], "payment-asked", *JOURNALS[KEPT][3:])
    journal = changed.checkout.journal[KEPT]
    journal = (*journal[:2], replace(journal[2], data={**journal[2].data, "provider": "b"}), *journal[3:])
    return replace(changed, checkout=replace(changed.checkout, journal={**changed.checkout.journal, KEPT: journal}))


@noticed_by("said-is-journalled")
def an_event_published_under_two_ids(found: Evidence) -> Evidence:
    return committed(found, event_about(KEPT, "checkout.order-confirmed", 999))


@noticed_by("deadlines-are-honoured", "events-say-what-is-recorded", "customers-read-the-truth")
def an_order_given_up_early(found: Evidence) -> Evidence:
    return given_up_after(found, 5)


def given_up_after(found: Evidence, seconds: float) -> Evidence:
    first, rejected, _ = found.checkout.journal[SOLD_OUT]
    data = {**first.data, "reason": "no-stock-answer"}
    last = replace(rejected, version=2, type="cancelled", data=data, at=START + timedelta(seconds=seconds))
    orders = with_row(found.checkout.orders, SOLD_OUT, version=2, reason="no-stock-answer")
    journal = {**found.checkout.journal, SOLD_OUT: (first, last)}
    return replace(found, checkout=replace(found.checkout, orders=orders, journal=journal))


# -- money --------------------------------------------------------------------------------------------------


@noticed_by("nobody-pays-more", "events-say-what-is-recorded")
def a_lower_price_that_is_not_charged(found: Evidence) -> Evidence:
    event = the(found, KEPT, "catalog.stock-reserved.v1")
    less = {"product_id": LAMP, "price": {"amount": 499, "currency": "EUR"}}
    return committed(found, with_body(event, lowered=[less]))


@noticed_by(
    "nobody-pays-more",
    "captured-is-owed",
    "read-model-is-its-journal",
    "events-say-what-is-recorded",
    "customers-read-the-truth",
    "charged-as-a-whole",
)
def an_order_that_costs_more_than_its_customer_saw(found: Evidence) -> Evidence:
    placed, reserved, *rest = found.checkout.journal[KEPT]
    [line] = placed.data["lines"]
    dearer = {"lines": [{**line, "unit_price": {"amount": 600, "currency": "EUR"}}]}
    data = {**dearer, "total": {"amount": 1200, "currency": "EUR"}}
    journal = {**found.checkout.journal, KEPT: (placed, replace(reserved, data=data), *rest)}
    return replace(found, checkout=replace(found.checkout, journal=journal))


@noticed_by("captured-is-owed", "never-charged-twice")
def a_doubled_charge(found: Evidence) -> Evidence:
    return replace(found, payments=(*found.payments, PaymentEntry(9, "a", "capture", KEPT, total(KEPT), "EUR")))


@noticed_by("captured-is-owed", "never-charged-twice", "one-provider-at-a-time")
def a_charge_by_both_providers(found: Evidence) -> Evidence:
    return replace(found, payments=(*found.payments, PaymentEntry(9, "b", "capture", KEPT, total(KEPT), "EUR")))


@noticed_by("captured-is-owed", "refunds-match")
def a_missing_charge(found: Evidence) -> Evidence:
    return replace(found, payments=found.payments[1:])


@noticed_by("captured-is-owed", "refunds-match")
def a_missing_refund(found: Evidence) -> Evidence:
    return replace(found, payments=found.payments[:2])


@noticed_by("captured-is-owed", "refunds-match", "charged-as-a-whole")
def a_refund_of_too_little(found: Evidence) -> Evidence:
    return replace(found, payments=(*found.payments[:2], replace(found.payments[2], amount=999)))


@noticed_by("never-charged-twice", "refunds-match")
def a_second_charge_that_was_refunded(found: Evidence) -> Evidence:
    twice = (
        PaymentEntry(8, "a", "capture", KEPT, total(KEPT), "EUR"),
        PaymentEntry(9, "a", "refund", KEPT, total(KEPT), "EUR"),
    )
    return replace(found, payments=(*found.payments, *twice))


@noticed_by("charged-in-the-orders-currency")
def a_charge_in_another_currency(found: Evidence) -> Evidence:
    return replace(found, payments=(replace(found.payments[0], currency="USD"), *found.payments[1:]))


@noticed_by("captured-is-owed", "never-charged-twice", "charged-in-the-orders-currency")
def a_charge_for_no_order(found: Evidence) -> Evidence:
    return replace(found, payments=(*found.payments, PaymentEntry(9, "a", "capture", UNKNOWN_ORDER, 5, "EUR")))


# -- stock ---------------------------------------------------------------------------------------------------


@noticed_by("stock-adds-up")
def a_unit_too_few(found: Evidence) -> Evidence:
    return replace(found, catalog=replace(found.catalog, products=with_row(found.catalog.products, LAMP, on_hand=8)))


@noticed_by("stock-adds-up")
def a_refused_restock_that_was_counted(found: Evidence) -> Evidence:
    return replace(found, catalog=replace(found.catalog, products=with_row(found.catalog.products, LAMP, on_hand=15)))


@noticed_by("stock-adds-up", "nothing-is-oversold")
def more_units_sold_than_in_stock(found: Evidence) -> Evidence:
    return replace(found, catalog=replace(found.catalog, products=with_row(found.catalog.products, RARE, on_hand=-1)))


@noticed_by("nothing-stays-reserved")
def units_reserved_without_a_reservation(found: Evidence) -> Evidence:
    return replace(found, catalog=replace(found.catalog, products=with_row(found.catalog.products, LAMP, reserved=1)))


@noticed_by("nothing-stays-reserved", "reservations-follow-orders")
def a_reservation_that_is_never_released(found: Evidence) -> Evidence:
    held = with_row(found.catalog.reservations, SOLD_OUT, state="reserved")
    return replace(found, catalog=replace(found.catalog, reservations=held))


@noticed_by("reservations-follow-orders")
def stock_taken_for_a_cancelled_order(found: Evidence) -> Evidence:
    held = with_row(found.catalog.reservations, CALLED_OFF, state="taken")
    return replace(found, catalog=replace(found.catalog, reservations=held))


@noticed_by("reservations-follow-orders")
def fewer_units_taken_than_ordered(found: Evidence) -> Evidence:
    held = with_row(found.catalog.reservations, KEPT, lines={LAMP: 1})
    return replace(found, catalog=replace(found.catalog, reservations=held))


@noticed_by("stock-is-answered-once", "reservations-follow-orders")
def an_order_reserved_and_rejected(found: Evidence) -> Evidence:
    return committed(found, event_about(KEPT, "catalog.stock-rejected", 999))


@noticed_by("carts-know-the-catalog")
def a_cart_that_knows_an_old_price(found: Evidence) -> Evidence:
    return replace(found, cart=replace(found.cart, products=with_row(found.cart.products, LAMP, price_amount=499)))


@noticed_by("carts-know-the-catalog")
def a_product_missing_in_the_cart(found: Evidence) -> Evidence:
    return replace(found, cart=replace(found.cart, products=without(found.cart.products, LAMP)))


@noticed_by("bought-leaves-the-cart")
def a_checkout_that_stays_open(found: Evidence) -> Evidence:
    return replace(found, cart=replace(found.cart, checkouts=with_row(found.cart.checkouts, KEPT, state="open")))


@noticed_by("bought-leaves-the-cart", "carts-hold-what-was-put")
def units_that_stay_in_checkout(found: Evidence) -> Evidence:
    return replace(found, cart=replace(found.cart, lines=({**found.cart.lines[0], "in_checkout": 1},)))


# -- parcels --------------------------------------------------------------------------------------------------


@noticed_by("shipped-once", "parcels-are-told", "parcels-are-of-their-orders")
def a_parcel_sent_twice(found: Evidence) -> Evidence:
    second = [replace(each, seq=each.seq + 10, carrier="b") for each in found.parcels[3:]]
    return replace(found, parcels=(*found.parcels, *second))


@noticed_by("shipped-once", "parcels-are-told", "shipments-follow-carriers")
def a_missing_dispatch(found: Evidence) -> Evidence:
    return replace(found, parcels=found.parcels[:3])


@noticed_by("shipped-once", "parcels-are-told", "shipments-follow-carriers", "parcels-are-of-their-orders")
def a_parcel_for_a_cancelled_order(found: Evidence) -> Evidence:
    return replace(found, parcels=(*found.parcels, CarrierEntry(9, "a", "dispatch", "k", CALLED_OFF)))


@noticed_by("one-carrier-at-a-time", "parcels-are-of-their-orders")
def a_parcel_booked_with_both_carriers(found: Evidence) -> Evidence:
    return replace(found, parcels=(*found.parcels, CarrierEntry(9, "b", "booking", "other:b", KEPT)))


@noticed_by("shipments-follow-carriers")
def a_booking_left_open_for_a_cancelled_order(found: Evidence) -> Evidence:
    return replace(found, parcels=tuple(each for each in found.parcels if each.kind != "cancellation"))


@noticed_by("shipments-follow-carriers", "events-say-what-is-recorded", "parcels-are-of-their-orders")
def a_shipment_missing_in_delivery(found: Evidence) -> Evidence:
    return replace(found, delivery=replace(found.delivery, shipments=without(found.delivery.shipments, KEPT)))


@noticed_by("addresses-are-known", "events-say-what-is-recorded")
def an_address_missing_in_checkout(found: Evidence) -> Evidence:
    return replace(found, checkout=replace(found.checkout, addresses=without(found.checkout.addresses, ADA)))


@noticed_by("addresses-are-known")
def an_erased_address_that_the_cart_still_knows(found: Evidence) -> Evidence:
    return replace(found, cart=replace(found.cart, addresses={**found.cart.addresses, "eve": {"address_id": LAMP}}))


# -- mail ---------------------------------------------------------------------------------------------------


@noticed_by("every-mail-arrives")
def a_missing_mail(found: Evidence) -> Evidence:
    return replace(found, mails=found.mails[1:])


@noticed_by("every-mail-arrives", "events-say-what-is-recorded")
def a_mail_given_up_although_there_is_an_address(found: Evidence) -> Evidence:
    first = found.mails[0]
    told = with_row(found.notifications, (first.about, first.kind), status="failed")
    return replace(found, mails=found.mails[1:], notifications=told)


@noticed_by("no-mail-comes-twice")
def a_mail_sent_twice(found: Evidence) -> Evidence:
    return replace(found, mails=(*found.mails, found.mails[0]))


@noticed_by("mail-reaches-its-customer")
def a_mail_to_another_person(found: Evidence) -> Evidence:
    return replace(found, mails=(replace(found.mails[0], to=f"{BEN}@example.com"), *found.mails[1:]))


@noticed_by("mail-reaches-its-customer", "no-mail-is-made-up")
def a_cart_reminder_to_another_person(found: Evidence) -> Evidence:
    reminder = Mail(f"{ADA}:{event_id(999)}", "cart-abandoned", f"{BEN}@example.com", START)
    return replace(found, mails=(*found.mails, reminder))


@noticed_by("no-mail-is-made-up", "every-mail-arrives")
def a_mail_about_an_unknown_order(found: Evidence) -> Evidence:
    return replace(found, mails=(*found.mails[1:], Mail(UNKNOWN_ORDER, "order-confirmed", "x@example.com", START)))


# -- events -------------------------------------------------------------------------------------------------


@noticed_by("one-id-one-body")
def an_event_with_two_bodies(found: Evidence) -> Evidence:
    the(found, KEPT, "checkout.order-confirmed.v1").digests.add(b"another")
    return found


@noticed_by("events-are-authentic")
def an_event_published_by_another_service(found: Evidence) -> Evidence:
    the(found, CALLED_OFF, "delivery.shipment-cancelled.v1").user = "cart"
    return found


@noticed_by("events-are-authentic")
def an_event_that_breaks_its_contract(found: Evidence) -> Evidence:
    the(found, CALLED_OFF, "delivery.shipment-cancelled.v1").raw = b"{}"
    return found


@noticed_by("events-are-authentic")
def a_message_that_is_no_event(found: Evidence) -> Evidence:
    found.log.invalid_messages.append(InvalidMessage("cart.events", "3 bytes"))
    return found


@noticed_by("said-is-in-the-outbox")
def an_event_missing_in_the_outbox(found: Evidence) -> Evidence:
    event = the(found, KEPT, "delivery.shipment-scheduled.v1")
    outbox = without(found.messaging_tables["delivery"].outbox, (event.id, event.type))
    return with_books(found, "delivery", outbox=outbox)


@noticed_by("said-is-in-the-outbox")
def an_event_missing_in_the_log(found: Evidence) -> Evidence:
    outbox = {**found.messaging_tables["cart"].outbox, (event_id(999), "cart.cart-abandoned.v1"): b"digest"}
    return with_books(found, "cart", outbox=outbox)


@noticed_by("said-is-in-the-outbox")
def an_event_published_with_another_body(found: Evidence) -> Evidence:
    key = next(iter(found.messaging_tables["cart"].outbox))
    return with_books(found, "cart", outbox={**found.messaging_tables["cart"].outbox, key: b"another"})


@noticed_by("every-event-took-effect")
def an_event_that_a_subscription_missed(found: Evidence) -> Evidence:
    missed = ("orders", the(found, KEPT, "checkout.order-placed.v1").id)
    return with_books(found, "catalog", inbox=found.messaging_tables["catalog"].inbox - {missed})


@noticed_by("causes-come-first")
def an_event_older_than_its_cause(found: Evidence) -> Evidence:
    event = the(found, KEPT, "checkout.order-confirmed.v1")
    event.cause = the(found, KEPT, "cart.cart-checked-out.v1").id
    event.at = START - timedelta(seconds=6)
    return found


@noticed_by("causes-come-first", "webhooks-say-what-was-said")
def an_order_delivered_before_its_parcel(found: Evidence) -> Evidence:
    the(found, KEPT, "checkout.order-delivered.v1").at -= timedelta(seconds=8)
    return found


@noticed_by("causes-come-first", "events-say-what-is-recorded")
def a_shipment_of_an_unconfirmed_order(found: Evidence) -> Evidence:
    return committed(found, event_about(SOLD_OUT, "delivery.shipment-scheduled", 999))


@noticed_by("versions-agree")
def an_event_with_different_content_in_its_older_version(found: Evidence) -> Evidence:
    old = the(found, KEPT, "delivery.shipment-dispatched.v1")
    old.raw = json.dumps(old.body | {"tracking_code": "A2"}).encode()
    return found


@noticed_by("versions-agree")
def an_event_missing_in_a_promised_version(found: Evidence) -> Evidence:
    old = the(found, KEPT, "delivery.shipment-dispatched.v1")
    del found.log.events[old.id, old.type]
    return with_books(found, "delivery", outbox=without(found.messaging_tables["delivery"].outbox, (old.id, old.type)))


# -- content ------------------------------------------------------------------------------------------------


@noticed_by("carts-hold-what-was-put")
def bought_items_that_stay_in_the_cart(found: Evidence) -> Evidence:
    *lines, last = found.cart.lines
    return replace(found, cart=replace(found.cart, lines=(*lines, {**last, "quantity": 4})))


@noticed_by("events-say-what-is-recorded")
def a_confirmation_of_fewer_lines_than_were_ordered(found: Evidence) -> Evidence:
    event = the(found, KEPT, "checkout.order-confirmed.v1")
    [line] = event.body["lines"]
    return committed(found, with_body(event, lines=[{**line, "quantity": 1}]))


@noticed_by("mail-says-what-happened")
def a_mail_with_a_wrong_amount(found: Evidence) -> Evidence:
    mails = tuple(replace(mail, text=mail.text.replace("10.00 EUR", "10.01 EUR")) for mail in found.mails)
    return replace(found, mails=mails)


@noticed_by("parcels-go-where-ordered")
def a_parcel_sent_to_another_address(found: Evidence) -> Evidence:
    shipments = with_row(found.delivery.shipments, KEPT, address_id=LAMP)
    return replace(found, delivery=replace(found.delivery, shipments=shipments))


@noticed_by("webhooks-say-what-was-said", "events-say-what-is-recorded")
def a_webhook_to_an_unrelated_person(found: Evidence) -> Evidence:
    endpoints = with_row(found.webhooks.endpoints, HOOK, owner=SAM, disabled=None)
    return replace(found, webhooks=replace(found.webhooks, endpoints=endpoints))


@noticed_by("webhooks-say-what-was-said")
def a_webhook_about_another_order(found: Evidence) -> Evidence:
    [row] = found.webhooks.deliveries
    row = {**row, "body": row["body"].replace(KEPT, TOO_LATE)}
    return replace(found, webhooks=replace(found.webhooks, deliveries=(row,)))


@noticed_by("facts-follow-one-another")
def a_price_that_changed_while_the_product_was_restocked(found: Evidence) -> Evidence:
    event = the(found, RARE, "catalog.product-restocked.v1")
    facts = event.body["facts"]
    return committed(found, with_body(event, facts={**facts, "price": {"amount": 501, "currency": "EUR"}}))


# -- rest ---------------------------------------------------------------------------------------------------


@noticed_by("queues-are-empty")
def a_message_that_waits(found: Evidence) -> Evidence:
    return replace(found, queues=(replace(found.queues[0], ready=1), *found.queues[1:]))


@noticed_by("queues-are-empty")
def a_message_that_is_never_acknowledged(found: Evidence) -> Evidence:
    return replace(found, queues=(replace(found.queues[0], unacknowledged=1), *found.queues[1:]))


@noticed_by("outboxes-are-drained")
def an_event_that_waits_in_its_outbox(found: Evidence) -> Evidence:
    return with_books(found, "cart", pending=1)


@noticed_by("nothing-waits")
def an_event_that_waits_for_a_retry(found: Evidence) -> Evidence:
    row = {"subscription": "orders", "type": "t", "event_id": event_id(1), "why": "OSError", "attempt": 3}
    return with_books(found, "catalog", scheduled=(row,))


@noticed_by("nothing-waits")
def an_external_call_that_never_ends(found: Evidence) -> Evidence:
    return with_books(found, "checkout", claims=1)


@noticed_by("nothing-died")
def a_dead_letter(found: Evidence) -> Evidence:
    row = {"subscription": "orders", "type": "t", "event_id": event_id(1), "reason": "rejected", "error": "no"}
    return with_books(found, "catalog", dead=(row,))


# -- the tests ----------------------------------------------------------------------------------------------


def test_correct_evidence_passes() -> None:
    found = judge(a_world(), MinimumActivity(orders=3, rejected=1, contended=1))
    assert [violation.as_dict() for violation in found.violations] == []
    assert found.verdict == "pass"
    assert set(found.checked) == {invariant.id for invariant in INVARIANTS}


@pytest.mark.parametrize(("plant", "expected"), PLANTS, ids=[plant.__name__ for plant, _ in PLANTS])
def test_the_planted_violation_is_reported_and_no_other(plant: Plant, expected: set[str]) -> None:
    found = judge(plant(copy.deepcopy(a_world())), MinimumActivity())
    assert {violation.invariant for violation in found.violations} == expected
    assert json.loads(json.dumps(found.as_dict()))["verdict"] == "fail"


def test_every_invariant_is_broken_at_least_once() -> None:
    assert {name for _, expected in PLANTS for name in expected} == {invariant.id for invariant in INVARIANTS}
