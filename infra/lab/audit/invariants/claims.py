"""Compares every field of an event with its owner's records, for the invariant `events_say_what_is_recorded`."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from infra.lab.audit.evidence import Evidence
from infra.lab.audit.life import Life, Terms
from infra.lab.audit.log import Said

Claim = tuple[str, Any, Any]
"""A field, its value in the event, and its value on record."""
Claims = Iterator[Claim]
NOBODY = Life()
EXPIRY_S = 2.0
"""Tolerance in seconds between a reservation's end and the time of its event plus the setting."""


def _checked_out(found: Evidence, said: Said) -> Claims:
    row, body = found.cart.checkouts.get(said.subject, {}), said.body
    units = {line["product_id"]: line["quantity"] for line in body["lines"]}
    yield "customer_id", body["customer_id"], row.get("customer_id")
    yield "lines", units, row.get("quantities")


def _about_order(*more: Callable[[Life, Mapping[str, Any]], Claims]) -> Callable[[Evidence, Said], Claims]:
    """Return a function that compares the customer of an order, and what `more` compares."""

    def claims(found: Evidence, said: Said) -> Claims:
        life, body = found.lives.get(said.subject, NOBODY), said.body
        yield "customer_id", body["customer_id"], life.customer
        for each in more:
            yield from each(life, body)

    return claims


def _ordered(life: Life, body: Mapping[str, Any]) -> Claims:
    yield "lines, total", Terms.of(body), life.ordered


def _charged(life: Life, body: Mapping[str, Any]) -> Claims:
    yield "lines, total", Terms.of(body), life.terms


def _address(life: Life, body: Mapping[str, Any]) -> Claims:
    yield "address_id", body.get("address_id"), life.address_id


def _amount(life: Life, body: Mapping[str, Any]) -> Claims:
    yield "amount", (body["amount"]["amount"], body["amount"]["currency"]), (life.total, life.currency)


def _provider(entry: str) -> Callable[[Life, Mapping[str, Any]], Claims]:
    def claims(life: Life, body: Mapping[str, Any]) -> Claims:
        yield "provider", body["provider"], life.data.get(entry, {}).get("provider")

    return claims


def _reason(life: Life, body: Mapping[str, Any]) -> Claims:
    homeless = ("shipping-failed", "no-address")
    said = body["reason"], body.get("detail")
    yield "reason, detail", said, homeless if life.reason == "no-address" else (life.reason, None)


def _reserved(found: Evidence, said: Said) -> Claims:
    body, due_s = said.body, found.deadlines.get("reservation-expired")
    if due_s is not None and said.at.timestamp() > found.record.started:  # earlier, the setting may have differed
        after_s = (datetime.fromisoformat(body["expires_at"]) - said.at).total_seconds()
        yield "expires_at", abs(after_s - due_s) <= EXPIRY_S, True
    for less in body.get("lowered") or ():
        yield "lowered", _was_said(found, less["product_id"], less["price"]), True


def _rejected(found: Evidence, said: Said) -> Claims:
    life, lines = found.lives.get(said.subject, NOBODY), said.body["lines"]
    recorded = life.data.get("stock-rejected", {}).get("lines")
    if recorded is not None:  # otherwise the order was cancelled before
        yield "lines", _shown(lines), _shown(recorded)
    ordered = dict(life.lines)
    for line in lines:
        yield "requested", line["requested"], ordered.get(line["product_id"])
        if line.get("price"):
            yield "price", _was_said(found, line["product_id"], line["price"]), True


def _was_said(found: Evidence, product_id: str, price: Mapping[str, Any]) -> bool:
    return (price["amount"], price["currency"]) in found.prices_said.get(product_id, ())


def _dispatched(found: Evidence, said: Said) -> Claims:
    tracking, row = said.body["tracking"], found.delivery.shipments.get(said.subject, {})
    stated = tracking["carrier"], tracking["code"]
    yield "tracking", stated, (row.get("carrier"), row.get("tracking_code"))
    noted = found.lives.get(said.subject, NOBODY).data.get("dispatched")
    if noted is not None:
        yield "tracking", stated, (noted["carrier"], noted["tracking_code"])
    yield from _shipment()(found, said)


def _shipment(*more: Callable[[Mapping[str, Any], Mapping[str, Any]], Claims]) -> Callable[[Evidence, Said], Claims]:
    """Return a function that compares the id and the customer of a shipment, and what `more` compares."""

    def claims(found: Evidence, said: Said) -> Claims:
        row, body = found.delivery.shipments.get(said.subject, {}), said.body
        for field in ("shipment_id", "customer_id"):
            yield field, body[field], row.get(field)
        for each in more:
            yield from each(row, body)

    return claims


def _failure(row: Mapping[str, Any], body: Mapping[str, Any]) -> Claims:
    yield "reason", body["reason"], row.get("failure")


def _refusal(found: Evidence, said: Said) -> Claims:
    recorded = found.lives.get(said.subject, NOBODY).data.get("cancellation-refused")
    if recorded is not None:
        yield "reason", said.body["reason"], recorded["reason"]


def _seller(found: Evidence, said: Said) -> Claims:
    yield "seller_id", said.body["seller_id"], found.catalog.products.get(said.subject, {}).get("seller_id")


def _low(found: Evidence, said: Said) -> Claims:
    yield from _seller(found, said)
    threshold = found.catalog.products.get(said.subject, {}).get("low_stock_threshold", 0)
    yield "available", said.body["available"] < threshold, True


def _restocked(found: Evidence, said: Said) -> Claims:
    yield "available", said.body["available"] > 0, True


def _address_known(found: Evidence, said: Said) -> Claims:
    """Compare the latest event about a customer's address with what delivery, cart and checkout have."""
    body = said.body
    if found.addresses_said[said.subject] is not said:
        return
    for service in (found.delivery, found.cart, found.checkout):
        row = service.addresses.get(said.subject)
        if row is None:
            yield "address_id", body.get("address_id"), None  # erased: delivery has no row, cart and checkout keep one
        else:
            yield (
                "revision, address_id",
                (body["revision"], body.get("address_id")),
                (row["revision"], row["address_id"]),
            )


def _notified(status: str) -> Callable[[Evidence, Said], Claims]:
    def claims(found: Evidence, said: Said) -> Claims:
        body = said.body
        row = found.notifications.get((body["about"], body["kind"]), {})
        for field in ("notification_id", "person_id"):
            yield field, body[field], row.get(field)
        yield "status", status, row.get("status")
        yield "reason", body.get("reason"), row.get("failure")

    return claims


def _disabled(found: Evidence, said: Said) -> Claims:
    endpoint = found.webhooks.endpoints.get(said.subject)
    if endpoint is not None:  # otherwise its owner deleted it
        yield "person_id", said.body["person_id"], endpoint["owner"]
        if endpoint["disabled"] and found.disabled_last[said.subject] is said:
            yield "reason", said.body["reason"], endpoint["disabled"]


def _abandoned(found: Evidence, said: Said) -> Claims:
    put = {wish.product_id for wish in found.record.wishes.values() if wish.customer == said.subject}
    if put:  # otherwise the record does not contain this customer
        yield "product_ids", sorted(set(said.body["product_ids"]) - put), []


CLAIMS: dict[str, Callable[[Evidence, Said], Claims]] = {
    "cart.cart-checked-out": _checked_out,
    "cart.cart-abandoned": _abandoned,
    "checkout.order-placed": _about_order(_ordered),
    "checkout.payment-captured": _about_order(_amount, _provider("payment-captured")),
    "checkout.payment-declined": _about_order(_provider("payment-declined")),
    "checkout.order-confirmed": _about_order(_charged, _address),
    "checkout.cancellation-requested": _about_order(),
    "checkout.order-cancelled": _about_order(_reason),
    "checkout.payment-refunded": _about_order(_amount, _provider("refunded")),
    "checkout.order-delivered": _about_order(),
    "catalog.product-listed": _seller,
    "catalog.product-restocked": _restocked,
    "catalog.stock-running-low": _low,
    "catalog.stock-reserved": _reserved,
    "catalog.stock-rejected": _rejected,
    "delivery.address-recorded": _address_known,
    "delivery.address-erased": _address_known,
    "delivery.shipment-scheduled": _shipment(),
    "delivery.shipment-dispatched": _dispatched,
    "delivery.shipment-delivered": _shipment(),
    "delivery.shipment-failed": _shipment(_failure),
    "delivery.cancellation-refused": _refusal,
    "notifications.notification-sent": _notified("sent"),
    "notifications.notification-failed": _notified("failed"),
    "notifications.webhook-disabled": _disabled,
}
"""Comparisons by the event's name. They leave out an event's subject and the facts of a product."""


def _shown(lines: list[Mapping[str, Any]]) -> list[str]:
    """Return rejected lines in one notation, since events leave out unknown values."""
    names = ("product_id", "reason", "requested", "available", "price")
    return sorted(str([line.get(name) for name in names]) for line in lines)
