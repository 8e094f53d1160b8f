"""Defines the invariants of content: events, mails and webhook deliveries match the records of their publisher."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from iso4217 import Currency

from infra.lab.audit.evidence import Evidence
from infra.lab.audit.findings import Findings
from infra.lab.audit.invariants.field_checks import FIELD_CHECKS
from infra.lab.audit.invariants.mail import expected_mails, mails_by_key
from infra.lab.audit.log import PublishedEvent

PERSON_FIELDS = ("customer_id", "seller_id", "person_id")
AMOUNT = re.compile(r"(\d+(?:\.\d+)?) ([A-Z]{3})\b")


def events_say_what_is_recorded(evidence: Evidence) -> Findings:
    """Every field of every event agrees with its publisher's records, as far as they contain it."""
    for published in evidence.events_named(*FIELD_CHECKS):
        for field, stated, recorded in FIELD_CHECKS[published.name](evidence, published):
            if stated != recorded:
                about = {"event_id": str(published.id), "type": published.type, "subject": published.subject}
                yield {**about, "field": field, "said": str(stated), "recorded": str(recorded)}


def facts_follow_one_another(evidence: Evidence) -> Findings:
    """Each event about a product changes only the facts that its type is about.

    The facts of the last event equal those in the catalog."""
    by_product: dict[str, dict[int, PublishedEvent]] = {}
    for published in evidence.events_named(*CHANGEABLE_FACTS):
        version, by_version = published.body["facts"]["version"], by_product.setdefault(published.subject, {})
        if version in by_version:
            yield {"product_id": published.subject, "version": version, "said_times": 2}
        by_version[version] = published
    for product_id, by_version in by_product.items():
        row = evidence.catalog.products.get(product_id)
        facts: dict[str, Any] | None = None
        if (
            sorted(by_version) != list(range(1, len(by_version) + 1))
            or row is None
            or row["version"] != len(by_version)
        ):
            yield {"product_id": product_id, "versions_said": sorted(by_version), "catalog_has": row and row["version"]}
            continue
        for _, published in sorted(by_version.items()):
            before, facts = facts, _facts(published)
            changed = {field for field in facts if before is not None and facts[field] != before[field]}
            if not changed <= CHANGEABLE_FACTS[published.name] or facts["status"] != _status(
                evidence, published, facts
            ):
                yield {
                    "product_id": product_id,
                    "type": published.type,
                    "changed": sorted(changed),
                    "facts": str(facts),
                }
        has = {field: row[field] for field in facts or ()}
        if facts != has:
            yield {"product_id": product_id, "said": str(facts), "catalog_has": str(has)}


def mail_says_what_happened(evidence: Evidence) -> Findings:
    """Every mail contains the order, amounts, parcel, products or endpoint of its event, and no other amounts."""
    expected = expected_mails(evidence)
    for key, mails in mails_by_key(evidence).items():
        if (published := expected.get(key)) is None:
            continue  # reported by `no_mail_is_made_up`
        words, amounts = _content(published)
        for mail in mails:
            missing = [word for word in words if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", mail.text)]
            if missing or AMOUNT.findall(mail.text) != amounts:
                about = {"about": mail.about, "kind": mail.kind, "text": mail.text}
                yield {**about, "missing": missing, "amounts": [" ".join(each) for each in amounts]}


def webhooks_say_what_was_said(evidence: Evidence) -> Findings:
    """Every webhook delivery contains an unchanged event of the log that the endpoint's owner may receive."""
    for row in evidence.webhooks.deliveries:
        body = json.loads(row["body"])
        published = evidence.log.events.get((UUID(row["event_id"]), row["type"]))
        about = {name: row[name] for name in ("endpoint_id", "event_id", "type")}
        if published is None:
            yield {**about, "said": False}
            continue
        endpoint = evidence.webhooks.endpoints.get(row["endpoint_id"], {"owner": None, "everyones": False})
        concerned = [published.body[name] for name in PERSON_FIELDS if name in published.body]
        # Events about products are public. With `everyones`, an endpoint receives the events of all persons.
        if not (endpoint["everyones"] or endpoint["owner"] in concerned or published.name in CHANGEABLE_FACTS):
            yield {**about, "owner": endpoint["owner"], "concerns": concerned}
        envelope = (str(published.id), published.type, published.user, published.subject, published.at)
        sent = (body["id"], body["type"], body["source"], body["subject"], datetime.fromisoformat(body["time"]))
        if sent != envelope or body["data"] != published.body:
            yield {**about, "sent": row["body"], "said": published.raw.decode()}


CHANGEABLE_FACTS: dict[str, frozenset[str]] = {
    "catalog.product-listed": frozenset(),
    "catalog.price-changed": frozenset({"price_amount", "price_currency"}),
    "catalog.product-discontinued": frozenset({"status"}),
    "catalog.product-sold-out": frozenset({"status"}),
    "catalog.product-restocked": frozenset({"status"}),
}
"""Facts of a product that each event may change, besides their version."""
STATUS_AFTER = {
    "catalog.product-discontinued": "discontinued",
    "catalog.product-sold-out": "sold-out",
    "catalog.product-restocked": "on-sale",
}
"""Status of a product after each event that determines it."""


def _status(evidence: Evidence, published: PublishedEvent, facts: Mapping[str, Any]) -> str:
    """Return the product's status after this event, as far as the event determines it."""
    if published.name == "catalog.product-listed" and evidence.record.initial_units.get(published.subject):
        return "on-sale"
    return STATUS_AFTER.get(published.name, str(facts["status"]))


def _facts(published: PublishedEvent) -> dict[str, Any]:
    facts = published.body["facts"]
    price = {"price_amount": facts["price"]["amount"], "price_currency": facts["price"]["currency"]}
    return {"name": facts["name"], "category": facts["category"], "status": facts["status"], **price}


def _content(published: PublishedEvent) -> tuple[list[str], list[tuple[str, str]]]:  # noqa: PLR0911 - one arm per event
    """Return the words that a mail about an event must contain, and the exact amounts that it must state."""
    body = published.body
    match published.name:
        case "checkout.order-confirmed":
            return [published.subject], [_amount_as_text(body["total"])]
        case "checkout.payment-refunded":
            return [published.subject], [_amount_as_text(body["amount"])]
        case "checkout.order-cancelled":
            return [published.subject, *(["address"] if body.get("detail") == "no-address" else [])], []
        case "delivery.shipment-dispatched":
            return [published.subject, body["tracking"]["carrier"], body["tracking"]["code"]], []
        case "cart.cart-abandoned":
            return [str(len(body["product_ids"]))], []
        case "catalog.stock-running-low":
            return [published.subject, str(body["available"])], []
        case _:
            return [published.subject], []


def _amount_as_text(money: Mapping[str, Any]) -> tuple[str, str]:
    """Return the amount as people write it, by the currency's minor units (ISO 4217)."""
    decimals = Currency(money["currency"]).exponent or 0
    whole, rest = divmod(money["amount"], 10**decimals)
    return f"{whole}.{rest:0{decimals}}" if decimals else str(whole), money["currency"]
