"""Compares every field of an event with its publisher's records, for the invariant `events_say_what_is_recorded`."""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any

from infra.lab.audit.evidence import Evidence
from infra.lab.audit.log import PublishedEvent
from infra.lab.audit.order_history import OrderHistory, Terms

Comparison = tuple[str, Any, Any]
"""A field, its value in the event, and its value on record."""
Comparisons = Iterator[Comparison]
NO_HISTORY = OrderHistory()
EXPIRY_TOLERANCE_S = 2.0
"""Allowed difference in seconds between `expires_at` of a reservation and the time of its event plus the deadline."""


def _checked_out(evidence: Evidence, published: PublishedEvent) -> Comparisons:
    row, body = evidence.cart.checkouts.get(published.subject, {}), published.body
    units = {line["product_id"]: line["quantity"] for line in body["lines"]}
    yield "customer_id", body["customer_id"], row.get("customer_id")
    yield "lines", units, row.get("quantities")


def _about_order(
    *further_checks: Callable[[OrderHistory, Mapping[str, Any]], Comparisons],
) -> Callable[[Evidence, PublishedEvent], Comparisons]:
    """Return a function that compares the customer of an order and the fields of the `further_checks`."""

    def compare(evidence: Evidence, published: PublishedEvent) -> Comparisons:
        history, body = evidence.order_histories.get(published.subject, NO_HISTORY), published.body
        yield "customer_id", body["customer_id"], history.customer
        for each in further_checks:
            yield from each(history, body)

    return compare


def _ordered(history: OrderHistory, body: Mapping[str, Any]) -> Comparisons:
    yield "lines, total", Terms.of(body), history.ordered


def _charged(history: OrderHistory, body: Mapping[str, Any]) -> Comparisons:
    yield "lines, total", Terms.of(body), history.charged


def _address(history: OrderHistory, body: Mapping[str, Any]) -> Comparisons:
    yield "address_id", body.get("address_id"), history.address_id


def _amount(history: OrderHistory, body: Mapping[str, Any]) -> Comparisons:
    yield "amount", (body["amount"]["amount"], body["amount"]["currency"]), (history.total, history.currency)


def _provider(entry: str) -> Callable[[OrderHistory, Mapping[str, Any]], Comparisons]:
    def compare(history: OrderHistory, body: Mapping[str, Any]) -> Comparisons:
        yield "provider", body["provider"], history.data.get(entry, {}).get("provider")

    return compare


def _reason(history: OrderHistory, body: Mapping[str, Any]) -> Comparisons:
    no_address_in_event = ("shipping-failed", "no-address")  # the event reports `no-address` as a detail
    published = body["reason"], body.get("detail")
    yield (
        "reason, detail",
        published,
        no_address_in_event if history.reason == "no-address" else (history.reason, None),
    )


def _reserved(evidence: Evidence, published: PublishedEvent) -> Comparisons:
    body, due_s = published.body, evidence.deadlines.get("reservation-expired")
    # before the stack was last started, the deadline may have been set differently
    if due_s is not None and published.at.timestamp() > evidence.record.started:
        after_s = (datetime.fromisoformat(body["expires_at"]) - published.at).total_seconds()
        yield "expires_at", abs(after_s - due_s) <= EXPIRY_TOLERANCE_S, True
    for lowered in body.get("lowered") or ():
        yield "lowered", _was_published(evidence, lowered["product_id"], lowered["price"]), True


def _rejected(evidence: Evidence, published: PublishedEvent) -> Comparisons:
    history, lines = evidence.order_histories.get(published.subject, NO_HISTORY), published.body["lines"]
    recorded = history.data.get("stock-rejected", {}).get("lines")
    if recorded is not None:  # otherwise the order was cancelled before
        yield "lines", _comparable(lines), _comparable(recorded)
    ordered = dict(history.lines)
    for line in lines:
        yield "requested", line["requested"], ordered.get(line["product_id"])
        if line.get("price"):
            yield "price", _was_published(evidence, line["product_id"], line["price"]), True


def _was_published(evidence: Evidence, product_id: str, price: Mapping[str, Any]) -> bool:
    return (price["amount"], price["currency"]) in evidence.published_prices.get(product_id, ())


def _dispatched(evidence: Evidence, published: PublishedEvent) -> Comparisons:
    tracking, row = published.body["tracking"], evidence.delivery.shipments.get(published.subject, {})
    stated = tracking["carrier"], tracking["code"]
    yield "tracking", stated, (row.get("carrier"), row.get("tracking_code"))
    noted = evidence.order_histories.get(published.subject, NO_HISTORY).data.get("dispatched")
    if noted is not None:
        yield "tracking", stated, (noted["carrier"], noted["tracking_code"])
    yield from _shipment()(evidence, published)


def _shipment(
    *further_checks: Callable[[Mapping[str, Any], Mapping[str, Any]], Comparisons],
) -> Callable[[Evidence, PublishedEvent], Comparisons]:
    """Return a function that compares the id and customer of a shipment and the fields of the `further_checks`."""

    def compare(evidence: Evidence, published: PublishedEvent) -> Comparisons:
        row, body = evidence.delivery.shipments.get(published.subject, {}), published.body
        for field in ("shipment_id", "customer_id"):
            yield field, body[field], row.get(field)
        for each in further_checks:
            yield from each(row, body)

    return compare


def _failure(row: Mapping[str, Any], body: Mapping[str, Any]) -> Comparisons:
    yield "reason", body["reason"], row.get("failure")


def _refusal(evidence: Evidence, published: PublishedEvent) -> Comparisons:
    recorded = evidence.order_histories.get(published.subject, NO_HISTORY).data.get("cancellation-refused")
    if recorded is not None:
        yield "reason", published.body["reason"], recorded["reason"]


def _seller(evidence: Evidence, published: PublishedEvent) -> Comparisons:
    yield (
        "seller_id",
        published.body["seller_id"],
        evidence.catalog.products.get(published.subject, {}).get("seller_id"),
    )


def _stock_running_low(evidence: Evidence, published: PublishedEvent) -> Comparisons:
    yield from _seller(evidence, published)
    threshold = evidence.catalog.products.get(published.subject, {}).get("low_stock_threshold", 0)
    yield "available", published.body["available"] < threshold, True


def _restocked(evidence: Evidence, published: PublishedEvent) -> Comparisons:
    yield "available", published.body["available"] > 0, True


def _address_known(evidence: Evidence, published: PublishedEvent) -> Comparisons:
    """Compare the latest event about a customer's address with what delivery, cart and checkout have."""
    body = published.body
    if evidence.latest_address_events[published.subject] is not published:
        return
    for service in (evidence.delivery, evidence.cart, evidence.checkout):
        row = service.addresses.get(published.subject)
        if row is None:
            yield "address_id", body.get("address_id"), None  # erased: delivery has no row, cart and checkout keep one
        else:
            yield (
                "revision, address_id",
                (body["revision"], body.get("address_id")),
                (row["revision"], row["address_id"]),
            )


def _notified(status: str) -> Callable[[Evidence, PublishedEvent], Comparisons]:
    def compare(evidence: Evidence, published: PublishedEvent) -> Comparisons:
        body = published.body
        row = evidence.notifications.get((body["about"], body["kind"]), {})
        for field in ("notification_id", "person_id"):
            yield field, body[field], row.get(field)
        yield "status", status, row.get("status")
        yield "reason", body.get("reason"), row.get("failure")

    return compare


def _disabled(evidence: Evidence, published: PublishedEvent) -> Comparisons:
    endpoint = evidence.webhooks.endpoints.get(published.subject)
    if endpoint is not None:  # otherwise its owner deleted it
        yield "person_id", published.body["person_id"], endpoint["owner"]
        if endpoint["disabled"] and evidence.latest_disabling_events[published.subject] is published:
            yield "reason", published.body["reason"], endpoint["disabled"]


def _abandoned(evidence: Evidence, published: PublishedEvent) -> Comparisons:
    put = {
        change.product_id
        for change in evidence.record.quantity_changes.values()
        if change.customer == published.subject
    }
    if put:  # otherwise the record does not contain this customer
        yield "product_ids", sorted(set(published.body["product_ids"]) - put), []


FIELD_CHECKS: dict[str, Callable[[Evidence, PublishedEvent], Comparisons]] = {
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
    "catalog.stock-running-low": _stock_running_low,
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


def _comparable(lines: list[Mapping[str, Any]]) -> list[str]:
    """Return rejected lines as strings that can be compared: events leave out unknown values, journals may not."""
    names = ("product_id", "reason", "requested", "available", "price")
    return sorted(str([line.get(name) for name in names]) for line in lines)
