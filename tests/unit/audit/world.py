"""Correct evidence for tests: six orders with everything that each source has about them, and every public event.

`KEPT` is delivered. `CALLED_OFF` was confirmed and then cancelled. `SOLD_OUT` was rejected. `DECLINED` was not paid.
`UNSENDABLE` had no address when it was to be sent. The cancellation of `TOO_LATE` came after its parcel had left.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.registry import BY_TYPE, EVENTS
from infra.lab.audit.evidence import (
    CarrierEntry,
    Cart,
    Catalog,
    Checkout,
    Delivery,
    Evidence,
    Mail,
    MessagingTables,
    PaymentEntry,
    Queue,
    Webhooks,
)
from infra.lab.audit.invariants.mail import EVENT_MAIL_KINDS, ORDER_MAIL_KINDS
from infra.lab.audit.log import Log, PublishedEvent
from infra.lab.audit.order_history import Entry
from infra.lab.audit.record import CheckoutRequest, QuantityChange, Record, Restock
from marketplace_runtime.events import without_version

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEPT, CALLED_OFF, SOLD_OUT, DECLINED, UNSENDABLE, TOO_LATE = (
    f"00000000-0000-7000-8000-00000000001{n}" for n in "123456"
)
LAMP, RARE = (f"00000000-0000-7000-8000-0000000000a{n}" for n in "12")
SHIPMENTS = {
    order_id: f"00000000-0000-7000-8000-0000000000b{n}"
    for n, order_id in enumerate((KEPT, CALLED_OFF, SOLD_OUT, DECLINED, UNSENDABLE, TOO_LATE))
}
ADA, BEN, SAM, MAX = "ada", "ben", "sam", "max"
"""Two customers and two sellers."""
HOME, HOOK = "00000000-0000-7000-8000-0000000000c1", "00000000-0000-7000-8000-0000000000d1"
ADDRESSES = {ADA: {"address_id": HOME, "revision": 1}}
KNOWN = ADDRESSES | {BEN: {"address_id": None, "revision": 3}}
AN_ENDPOINT = {"endpoint_id": HOOK, "owner": ADA, "everyones": False, "disabled": "gone"}
SHELF = {"category": "home", "reserved": 0, "low_stock_threshold": 3}
PRICE = {"amount": 500, "currency": "EUR"}
KINDS = ORDER_MAIL_KINDS | EVENT_MAIL_KINDS
SERVICES = ("cart", "catalog", "checkout", "delivery", "notifications")

JOURNALS = {
    KEPT: ("placed", "stock-reserved", "payment-asked", "payment-captured", "confirmed", "dispatched", "delivered"),
    CALLED_OFF: (
        *("placed", "stock-reserved", "payment-asked", "payment-captured", "confirmed"),
        *("cancellation-requested", "cancelled", "refunded"),
    ),
    SOLD_OUT: ("placed", "stock-rejected", "cancelled"),
    DECLINED: ("placed", "stock-reserved", "payment-asked", "payment-declined", "cancelled"),
    UNSENDABLE: (
        *("placed", "stock-reserved", "payment-asked", "payment-captured", "confirmed"),
        *("cancelled", "refunded"),
    ),
    TOO_LATE: (
        *("placed", "stock-reserved", "payment-asked", "payment-captured", "confirmed", "cancellation-requested"),
        *("dispatched", "cancellation-refused", "delivered"),
    ),
}
REASONS = {
    CALLED_OFF: "customer",
    SOLD_OUT: "stock-rejected",
    DECLINED: "payment-declined",
    UNSENDABLE: "no-address",
}
PUBLISHED = {
    KEPT: (
        *("cart.cart-checked-out", "checkout.order-placed", "catalog.stock-reserved", "checkout.payment-captured"),
        *("checkout.order-confirmed", "delivery.shipment-scheduled", "delivery.shipment-dispatched"),
        *("delivery.shipment-delivered", "checkout.order-delivered"),
    ),
    CALLED_OFF: (
        *("cart.cart-checked-out", "checkout.order-placed", "catalog.stock-reserved", "checkout.payment-captured"),
        *("checkout.order-confirmed", "delivery.shipment-scheduled", "checkout.cancellation-requested"),
        *("delivery.shipment-cancelled", "checkout.order-cancelled", "catalog.stock-released"),
        "checkout.payment-refunded",
    ),
    SOLD_OUT: (
        *("cart.cart-checked-out", "checkout.order-placed", "catalog.stock-rejected", "checkout.order-cancelled"),
    ),
    DECLINED: (
        *("cart.cart-checked-out", "checkout.order-placed", "catalog.stock-reserved", "catalog.reservation-expired"),
        *("checkout.payment-declined", "checkout.order-cancelled", "catalog.stock-released"),
    ),
    UNSENDABLE: (
        *("cart.cart-checked-out", "checkout.order-placed", "catalog.stock-reserved", "checkout.payment-captured"),
        *("checkout.order-confirmed", "delivery.shipment-scheduled", "delivery.shipment-failed"),
        *("checkout.order-cancelled", "catalog.stock-released", "checkout.payment-refunded"),
    ),
    TOO_LATE: (
        *("cart.cart-checked-out", "checkout.order-placed", "catalog.stock-reserved", "checkout.payment-captured"),
        *("checkout.order-confirmed", "delivery.shipment-scheduled", "checkout.cancellation-requested"),
        *("delivery.shipment-dispatched", "delivery.cancellation-refused", "delivery.shipment-delivered"),
        "checkout.order-delivered",
    ),
}
FACTS = {"name": "Lamp", "category": "home", "price": PRICE, "status": "on-sale"}
OTHER_EVENTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    (
        "catalog.product-listed",
        LAMP,
        {"seller_id": MAX, "facts": FACTS | {"version": 1, "price": PRICE | {"amount": 600}}},
    ),
    ("catalog.price-changed", LAMP, {"facts": FACTS | {"version": 2}}),
    ("catalog.product-listed", RARE, {"seller_id": SAM, "facts": FACTS | {"version": 1}}),
    ("catalog.stock-running-low", RARE, {"seller_id": SAM, "available": 1}),
    ("catalog.product-sold-out", RARE, {"facts": FACTS | {"version": 2, "status": "sold-out"}}),
    ("catalog.product-restocked", RARE, {"facts": FACTS | {"version": 3}, "available": 5}),
    ("catalog.product-discontinued", RARE, {"facts": FACTS | {"version": 4, "status": "discontinued"}}),
    ("catalog.stock-running-low", LAMP, {"seller_id": MAX, "available": 2}),
    ("cart.cart-abandoned", ADA, {"product_ids": [LAMP]}),
    ("delivery.address-recorded", ADA, {"address_id": HOME, "revision": 1}),
    ("delivery.address-recorded", BEN, {"address_id": LAMP, "revision": 2}),
    ("delivery.address-erased", BEN, {"revision": 3}),
    ("notifications.webhook-disabled", HOOK, {"person_id": ADA, "reason": "gone"}),
)
"""Events that concern no order: type, subject, and the body without the subject."""
CONSUMED = {"checkout.carts": "cart.cart-checked-out.v1", "catalog.orders": "checkout.order-placed.v1"}


def units(order_id: str) -> tuple[str, int]:
    """Return the product of an order and its quantity."""
    return (RARE, 9) if order_id == SOLD_OUT else (LAMP, 2)


def customer(order_id: str) -> str:
    return BEN if order_id == SOLD_OUT else ADA


def total(order_id: str) -> int:
    return units(order_id)[1] * PRICE["amount"]


def event_id(number: int) -> UUID:
    return UUID(f"01900000-0000-7000-8000-{number:012d}")


def body_of(order_id: str, type: str) -> dict[str, Any]:
    """Return every member that any event of an order may have; contracts ignore the others."""
    product_id, quantity = units(order_id)
    rejected = {"product_id": product_id, "reason": "sold-out", "requested": quantity, "available": 5, "price": PRICE}
    reason = REASONS.get(order_id, "")
    reasons = {"delivery.cancellation-refused": "already-dispatched", "delivery.shipment-failed": "no-address"}
    has_no_address = type == "checkout.order-cancelled" and reason == "no-address"
    return {
        "order_id": order_id,
        "customer_id": customer(order_id),
        "lines": [rejected]
        if type == "catalog.stock-rejected"
        else [{"product_id": product_id, "quantity": quantity, "unit_price": PRICE}],
        "total": {"amount": total(order_id), "currency": "EUR"},
        "amount": {"amount": total(order_id), "currency": "EUR"},
        "provider": "a",
        "carrier": "a",
        "tracking_code": "A1",
        "tracking": {"carrier": "a", "code": "A1"},
        "shipment_id": SHIPMENTS[order_id],
        "address_id": HOME,
        "reason": "shipping-failed" if has_no_address else reasons.get(type, reason),
        **({"detail": "no-address"} if has_no_address else {}),
    }


def event_about(order_id: str, type: str, number: int, version: int = 1) -> PublishedEvent:
    expires_at = START + timedelta(seconds=number + 30)
    body = body_of(order_id, type) | {"expires_at": expires_at.isoformat()}
    return an_event(f"{type}.v{version}", order_id, body, number)


def an_event(type: str, subject: str, body: Mapping[str, Any], number: int) -> PublishedEvent:
    raw = json.dumps(body).encode()
    at = START + timedelta(seconds=number)
    event = PublishedEvent(event_id(number), type, BY_TYPE[type].publisher, subject, at, None, raw, copies=1)
    event.digests.add(hashlib.sha256(raw).digest())
    return event


def other_event(number: int) -> PublishedEvent:
    """Return one of the events that concern no order."""
    name, subject, more = OTHER_EVENTS[number]
    contract = BY_TYPE[f"{name}.v1"]
    return an_event(contract.type, subject, {contract.key: subject, **more}, 500 + number)


def a_notification(number: int, event: PublishedEvent, person: str) -> PublishedEvent:
    """Return the event about the result of one of notifications' mails."""
    kind, status = KINDS[event.name], "failed" if person == MAX else "sent"
    body = {"notification_id": notification(event), "person_id": person, "kind": kind, "about": about(event)}
    more = {"reason": "no-contact"} if status == "failed" else {}
    return an_event(f"notifications.notification-{status}.v1", about(event), body | more, 700 + number)


def notification(event: PublishedEvent) -> str:
    return str(UUID(int=event.id.int + (1 << 64)))


def about(event: PublishedEvent) -> str:
    return f"{event.subject}:{event.id}" if event.name in EVENT_MAIL_KINDS else event.subject


def a_log() -> Log:
    pairs = [(order_id, type) for order_id, types in PUBLISHED.items() for type in types]
    events = [
        event_about(order_id, type, number, event.version)
        for number, (order_id, type) in enumerate(pairs)
        for event in EVENTS
        if without_version(event.type) == type
    ]
    events += [other_event(number) for number in range(len(OTHER_EVENTS))]
    notified = [event for event in events if event.name in KINDS and event.type != "delivery.shipment-dispatched.v1"]
    events += [
        a_notification(number, event, person_of(event))
        for number, event in enumerate(notified)
        if event.name != "notifications.webhook-disabled"
    ]
    return Log({(event.id, event.type): event for event in events})


def a_journal(order_id: str) -> tuple[Entry, ...]:
    return tuple(
        Entry(number + 1, type, entry_of(order_id, type), START + timedelta(seconds=number))
        for number, type in enumerate(JOURNALS[order_id])
    )


def entry_of(order_id: str, type: str) -> dict[str, Any]:
    """Return the data of an entry of this type."""
    asked = {"provider": "a"}
    return {
        "placed": {
            "customer_id": customer(order_id),
            "lines": lines_of(order_id),
            "total": {"amount": total(order_id), "currency": "EUR"},
            "address_id": HOME,
        },
        "stock-rejected": {"lines": body_of(order_id, "catalog.stock-rejected")["lines"]},
        "payment-asked": {**asked, "ask": 1, "again": False},
        **dict.fromkeys(("payment-captured", "payment-declined", "payment-not-charged", "refunded"), asked),
        **{type: {"reason": REASONS.get(order_id, "")} for type in ("given-up", "cancelled")},
        "dispatched": {"carrier": "a", "tracking_code": "A1"},
        "cancellation-refused": {"reason": "already-dispatched"},
    }.get(type, {})


def a_checkout() -> Checkout:
    end = {
        KEPT: ("delivered", "captured", "a"),
        CALLED_OFF: ("cancelled", "refunded", "a"),
        SOLD_OUT: ("cancelled", "none", None),
        DECLINED: ("cancelled", "declined", "a"),
        UNSENDABLE: ("cancelled", "refunded", "a"),
        TOO_LATE: ("delivered", "captured", "a"),
    }
    rows = {
        order_id: {
            "version": len(JOURNALS[order_id]),
            "customer_id": customer(order_id),
            "status": status,
            "reason": REASONS.get(order_id),
            "total_amount": total(order_id),
            "currency": "EUR",
            "payment": payment,
            "provider": provider,
            "lines": lines_of(order_id),
            "address_id": HOME,
        }
        for order_id, (status, payment, provider) in end.items()
    }
    return Checkout(rows, {order_id: a_journal(order_id) for order_id in JOURNALS}, KNOWN)


def lines_of(order_id: str) -> list[dict[str, Any]]:
    product_id, quantity = units(order_id)
    return [{"product_id": product_id, "quantity": quantity, "unit_price": PRICE}]


def a_view(row: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return an order as its customer sees it."""
    names = ("customer_id", "status", "reason", "payment", "lines")
    return {name: row[name] for name in names} | {"total": {"amount": row["total_amount"], "currency": "EUR"}}


def text_about(event: PublishedEvent) -> str:
    """Return the text of a mail."""
    body = event.body
    money = body.get("total" if event.name == "checkout.order-confirmed" else "amount", {})
    paid = event.name in ("checkout.order-confirmed", "checkout.payment-refunded")
    words = [
        event.subject,
        f"{money['amount'] / 100:.2f} EUR" if paid else "",
        "carrier a, A1" if event.name == "delivery.shipment-dispatched" else "",
        "no address" if body.get("detail") else "",
        f"{len(body.get('product_ids', ()))} product, {body.get('available')} left",
    ]
    return f"About {', '.join(words)}.\n"


def some_books(log: Log) -> Mapping[str, MessagingTables]:
    def of(service: str) -> MessagingTables:
        outbox = {key: next(iter(event.digests)) for key, event in log.events.items() if event.user == service}
        inbox = {
            (queue.partition(".")[2], event.id)
            for queue, type in CONSUMED.items()
            for event in log.events.values()
            if event.type == type and queue.partition(".")[0] == service
        }
        return MessagingTables(outbox=outbox, inbox=frozenset(inbox))

    return {service: of(service) for service in SERVICES}


def a_record() -> Record:
    """Return a record in which customers fill their carts before they order, one order after the other."""
    checkout_requests = {"0": CheckoutRequest(BEN, refused=True)}
    quantity_changes = {}
    orders = (KEPT, CALLED_OFF, SOLD_OUT, UNSENDABLE, TOO_LATE, DECLINED)
    for number, order_id in enumerate(orders):
        (product_id, quantity), line = units(order_id), 3 * number
        quantity_changes[f"w{number}"] = QuantityChange(
            customer(order_id), product_id, quantity, line, line + 1, True, 0
        )
        checkout_requests[str(number + 1)] = CheckoutRequest(
            customer(order_id), order_id, sent_line=line + 2, answer_line=line + 2
        )
    return Record(
        checkout_requests=checkout_requests,
        initial_units={LAMP: 10, RARE: 5},
        restocks={"5": Restock(LAMP, 3, succeeded=True), "6": Restock(LAMP, 4, succeeded=False)},
        quantity_changes=quantity_changes,
    )


def a_world() -> Evidence:
    """Return evidence in which no promise is broken."""
    log, checkout = a_log(), a_checkout()
    facts = {"name": "Lamp", "price_amount": 500, "price_currency": "EUR"}
    copies = {
        LAMP: facts | {"version": 2, "status": "on-sale"},
        RARE: facts | {"version": 4, "status": "discontinued"},
    }
    newest = {event.id: event for event in sorted(log.events.values(), key=lambda event: event.type)}
    notified = [(event, KINDS[event.name], person_of(event)) for event in newest.values() if event.name in KINDS]
    states = dict.fromkeys((KEPT, TOO_LATE), "taken") | {SOLD_OUT: "rejected"}
    ends = dict.fromkeys((SOLD_OUT, DECLINED), "cancelled")
    left = {KEPT: "delivered", CALLED_OFF: "cancelled", UNSENDABLE: "failed", TOO_LATE: "delivered"}
    return Evidence(
        record=a_record(),
        payments=(
            PaymentEntry(1, "a", "capture", KEPT, total(KEPT), "EUR"),
            PaymentEntry(2, "a", "capture", CALLED_OFF, total(CALLED_OFF), "EUR"),
            PaymentEntry(3, "a", "refund", CALLED_OFF, total(CALLED_OFF), "EUR"),
            PaymentEntry(4, "a", "capture", UNSENDABLE, total(UNSENDABLE), "EUR"),
            PaymentEntry(5, "a", "refund", UNSENDABLE, total(UNSENDABLE), "EUR"),
            PaymentEntry(6, "a", "capture", TOO_LATE, total(TOO_LATE), "EUR"),
            PaymentEntry(7, "a", "decline", DECLINED, total(DECLINED), "EUR"),
        ),
        parcels=(
            CarrierEntry(1, "a", "booking", f"{SHIPMENTS[KEPT]}:a", KEPT),
            CarrierEntry(2, "a", "booking", f"{SHIPMENTS[CALLED_OFF]}:a", CALLED_OFF),
            CarrierEntry(3, "a", "cancellation", f"{SHIPMENTS[CALLED_OFF]}:a", CALLED_OFF),
            CarrierEntry(4, "a", "dispatch", f"{SHIPMENTS[KEPT]}:a", KEPT),
            CarrierEntry(5, "a", "delivery", f"{SHIPMENTS[KEPT]}:a", KEPT),
            *(
                CarrierEntry(6 + number, "a", kind, f"{SHIPMENTS[TOO_LATE]}:a", TOO_LATE)
                for number, kind in enumerate(("booking", "dispatch", "delivery"))
            ),
        ),
        mails=tuple(
            Mail(about(event), kind, f"{person}@example.com", event.at, text_about(event))
            for event, kind, person in notified
            if person != MAX
        ),
        log=log,
        queues=tuple(Queue(name, 0, 0, frozenset({type})) for name, type in CONSUMED.items()),
        catalog=Catalog(
            {
                LAMP: {**copies[LAMP], **SHELF, "seller_id": MAX, "on_hand": 10 + 3 - 2 * 2},
                RARE: {**copies[RARE], **SHELF, "seller_id": SAM, "on_hand": 5},
            },
            {
                order_id: {
                    "state": state,
                    "lines": {} if state == "rejected" else dict([units(order_id)]),
                }
                for order_id in JOURNALS
                for state in [states.get(order_id, "released")]
            },
        ),
        cart=Cart(
            copies,
            {
                order_id: {
                    "customer_id": customer(order_id),
                    "quantities": dict([units(order_id)]),
                    "state": ends.get(order_id, "confirmed"),
                }
                for order_id in JOURNALS
            },
            (
                {"customer_id": BEN, "product_id": RARE, "quantity": 9, "in_checkout": 0},
                {"customer_id": ADA, "product_id": LAMP, "quantity": 2, "in_checkout": 0},
            ),
            KNOWN,
        ),
        checkout=checkout,
        delivery=Delivery(
            {
                order_id: {
                    "shipment_id": SHIPMENTS[order_id],
                    "customer_id": customer(order_id),
                    "status": status,
                    "carrier": "a" if status == "delivered" else None,
                    "tracking_code": "A1" if status == "delivered" else None,
                    "failure": "no-address" if status == "failed" else None,
                    "address_id": HOME,
                }
                for order_id, status in left.items()
            },
            ADDRESSES,
        ),
        notifications={
            (about(event), kind): {
                "notification_id": notification(event),
                "person_id": person,
                "status": "failed" if person == MAX else "sent",
                "failure": "no-contact" if person == MAX else None,
                "sent_at": None,
            }
            for event, kind, person in notified
        },
        webhooks=Webhooks({HOOK: AN_ENDPOINT}, (a_delivery(log),)),
        messaging_tables=some_books(log),
        customer_orders={order_id: a_view(row) for order_id, row in checkout.orders.items()},
        deadlines={"payment-timed-out": 30.0, "no-stock-answer": 600.0, "reservation-expired": 30.0},
    )


def person_of(event: PublishedEvent) -> str:
    """Return the person whom the event concerns."""
    if event.name == "delivery.cancellation-refused":
        return customer(event.subject)
    body = event.body
    return str(body.get("seller_id") or body.get("person_id") or body.get("customer_id"))


def a_delivery(log: Log) -> Mapping[str, Any]:
    """Return the webhook delivery that the endpoint was sent before it was disabled."""
    event = next(event for event in log.events.values() if event.name == "checkout.order-delivered")
    body = {"id": str(event.id), "type": event.type, "source": event.user, "subject": event.subject}
    body |= {"time": event.at.isoformat(), "data": event.body}
    return {"endpoint_id": HOOK, "event_id": str(event.id), "type": event.type, "body": json.dumps(body)}


def journal_of(found: Evidence, order_id: str, *types: str) -> Evidence:
    """Return the same evidence with another journal for one order."""
    entries = tuple(
        Entry(number + 1, type, entry_of(order_id, type), START + timedelta(seconds=number))
        for number, type in enumerate(types)
    )
    return replace(found, checkout=replace(found.checkout, journal={**found.checkout.journal, order_id: entries}))
