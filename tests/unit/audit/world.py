"""A small world in which everything is right: three orders with all that each source would know of them.

`KEPT` is delivered, `CALLED_OFF` was confirmed and then cancelled, `SOLD_OUT` was rejected.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from contracts.catalogue import BY_TYPE, EVENTS
from contracts.event import name_of
from infra.audit.evidence import (
    Books,
    Cart,
    Catalog,
    Checkout,
    Delivery,
    Evidence,
    Mail,
    Money,
    Parcel,
    Queue,
)
from infra.audit.invariants.mail import ABOUT_ORDERS
from infra.audit.life import Entry
from infra.audit.log import Log, Said
from infra.audit.record import Ask, Record, Restock

START = datetime(2026, 1, 1, 12, tzinfo=UTC)
KEPT, CALLED_OFF, SOLD_OUT = (f"00000000-0000-7000-8000-00000000000{n}" for n in "123")
LAMP, RARE = (f"00000000-0000-7000-8000-0000000000a{n}" for n in "12")
SHIPMENTS = {
    order_id: f"00000000-0000-7000-8000-0000000000b{n}" for n, order_id in enumerate((KEPT, CALLED_OFF, SOLD_OUT))
}
ADA, BEN = "ada", "ben"
ADDRESSES = {ADA: {"address_id": "00000000-0000-7000-8000-0000000000c1"}}
PRICE = {"amount": 500, "currency": "EUR"}
SERVICES = ("cart", "catalog", "checkout", "delivery", "notifications")

JOURNALS = {
    KEPT: ("placed", "stock-reserved", "payment-asked", "payment-captured", "confirmed", "dispatched", "delivered"),
    CALLED_OFF: (
        *("placed", "stock-reserved", "payment-asked", "payment-captured", "confirmed"),
        *("cancellation-requested", "cancelled", "refunded"),
    ),
    SOLD_OUT: ("placed", "stock-rejected", "cancelled"),
}
REASONS = {CALLED_OFF: "customer", SOLD_OUT: "stock-rejected"}
SAID = {
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
}
HEARD = {"checkout.carts": "cart.cart-checked-out.v1", "catalog.orders": "checkout.order-placed.v1"}


def units(order_id: str) -> tuple[str, int]:
    """What an order is about."""
    return (RARE, 9) if order_id == SOLD_OUT else (LAMP, 2)


def customer(order_id: str) -> str:
    return BEN if order_id == SOLD_OUT else ADA


def total(order_id: str) -> int:
    return units(order_id)[1] * PRICE["amount"]


def event_id(number: int) -> UUID:
    return UUID(f"01900000-0000-7000-8000-{number:012d}")


def body_of(order_id: str, type: str) -> dict[str, Any]:
    """Every member that any event of an order may have; contracts ignore what is not theirs."""
    product_id, quantity = units(order_id)
    rejected = {"product_id": product_id, "reason": "sold-out", "requested": quantity}
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
        "expires_at": START.isoformat(),
        "reason": REASONS.get(order_id, ""),
    }


def said_about(order_id: str, type: str, number: int, version: int = 1) -> Said:
    raw = json.dumps(body_of(order_id, type)).encode()
    full = f"{type}.v{version}"
    at = START + timedelta(seconds=number)
    said = Said(event_id(number), full, BY_TYPE[full].publisher, order_id, at, None, raw, copies=1)
    said.digests.add(hashlib.sha256(raw).digest())
    return said


def a_log() -> Log:
    said = [(order_id, type) for order_id, types in SAID.items() for type in types]
    events = [
        said_about(order_id, type, number, event.version)
        for number, (order_id, type) in enumerate(said)
        for event in EVENTS
        if name_of(event.type) == type
    ]
    return Log({(event.id, event.type): event for event in events})


def a_journal(order_id: str) -> tuple[Entry, ...]:
    product_id, quantity = units(order_id)
    data = {
        "customer_id": customer(order_id),
        "lines": [{"product_id": product_id, "quantity": quantity, "unit_price": PRICE}],
        "total": {"amount": total(order_id), "currency": "EUR"},
        "provider": "a",
        "reason": REASONS.get(order_id, ""),
    }
    return tuple(
        Entry(number + 1, type, data, START + timedelta(seconds=number))
        for number, type in enumerate(JOURNALS[order_id])
    )


def a_checkout() -> Checkout:
    end = {
        KEPT: ("delivered", "captured", "a"),
        CALLED_OFF: ("cancelled", "refunded", "a"),
        SOLD_OUT: ("cancelled", "none", None),
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
        }
        for order_id, (status, payment, provider) in end.items()
    }
    return Checkout(rows, {order_id: a_journal(order_id) for order_id in JOURNALS}, ADDRESSES)


def some_books(log: Log) -> Mapping[str, Books]:
    def of(service: str) -> Books:
        outbox = {key: next(iter(said.digests)) for key, said in log.events.items() if said.user == service}
        inbox = {
            (queue.partition(".")[2], said.id)
            for queue, type in HEARD.items()
            for said in log.events.values()
            if said.type == type and queue.partition(".")[0] == service
        }
        return Books(outbox=outbox, inbox=frozenset(inbox))

    return {service: of(service) for service in SERVICES}


def a_world() -> Evidence:
    """Evidence in which no promise is broken."""
    log = a_log()
    facts = {"version": 1, "name": "Lamp", "price_amount": 500, "price_currency": "EUR", "status": "on-sale"}
    told = [
        (said.subject, ABOUT_ORDERS[said.name], said.at)
        for said in log.events.values()
        if said.name in ABOUT_ORDERS and said.type.endswith(".v1")
    ]
    return Evidence(
        record=Record(
            asks={
                "1": Ask(ADA, KEPT),
                "2": Ask(ADA, CALLED_OFF),
                "3": Ask(BEN, SOLD_OUT),
                "4": Ask(BEN, refused=True),
            },
            listed={LAMP: 10, RARE: 5},
            restocks={"5": Restock(LAMP, 3, done=True), "6": Restock(LAMP, 4, done=False)},
        ),
        payments=(
            Money(1, "a", "capture", KEPT, total(KEPT), "EUR"),
            Money(2, "a", "capture", CALLED_OFF, total(CALLED_OFF), "EUR"),
            Money(3, "a", "refund", CALLED_OFF, total(CALLED_OFF), "EUR"),
        ),
        parcels=(
            Parcel(1, "a", "booking", f"{SHIPMENTS[KEPT]}:a", KEPT),
            Parcel(2, "a", "booking", f"{SHIPMENTS[CALLED_OFF]}:a", CALLED_OFF),
            Parcel(3, "a", "cancellation", f"{SHIPMENTS[CALLED_OFF]}:a", CALLED_OFF),
            Parcel(4, "a", "dispatch", f"{SHIPMENTS[KEPT]}:a", KEPT),
            Parcel(5, "a", "delivery", f"{SHIPMENTS[KEPT]}:a", KEPT),
        ),
        mails=tuple(Mail(about, kind, f"{customer(about)}@example.com", at) for about, kind, at in told),
        log=log,
        queues=tuple(Queue(name, 0, 0, frozenset({type})) for name, type in HEARD.items()),
        catalog=Catalog(
            {
                LAMP: {**facts, "on_hand": 10 + 3 - 2, "reserved": 0},
                RARE: {**facts, "on_hand": 5, "reserved": 0},
            },
            {
                KEPT: {"state": "taken", "lines": {LAMP: 2}},
                CALLED_OFF: {"state": "released", "lines": {LAMP: 2}},
                SOLD_OUT: {"state": "rejected", "lines": {}},
            },
        ),
        cart=Cart(
            {LAMP: facts, RARE: facts},
            {
                KEPT: {"state": "confirmed"},
                CALLED_OFF: {"state": "confirmed"},
                SOLD_OUT: {"state": "cancelled"},
            },
            ({"customer_id": BEN, "product_id": RARE, "quantity": 9, "in_checkout": 0},),
            ADDRESSES,
        ),
        checkout=a_checkout(),
        delivery=Delivery({KEPT: {"status": "delivered"}, CALLED_OFF: {"status": "cancelled"}}, ADDRESSES),
        notifications={(about, kind): {"status": "sent", "person_id": customer(about)} for about, kind, _ in told},
        books=some_books(log),
        views={KEPT: "delivered", CALLED_OFF: "cancelled", SOLD_OUT: "cancelled"},
        deadlines={"payment-timed-out": 30.0, "no-stock-answer": 600.0, "reservation-expired": 30.0},
    )


def journal_of(found: Evidence, order_id: str, *types: str) -> Evidence:
    """The same evidence with another journal for one order."""
    first = found.checkout.journal[order_id][0]
    entries = tuple(
        Entry(number + 1, type, first.data, START + timedelta(seconds=number)) for number, type in enumerate(types)
    )
    return replace(found, checkout=replace(found.checkout, journal={**found.checkout.journal, order_id: entries}))
