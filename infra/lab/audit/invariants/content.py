"""Defines the invariants of content: what is published, mailed and sent to webhooks matches its owner's records."""

import json
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from iso4217 import Currency

from infra.lab.audit.evidence import Evidence
from infra.lab.audit.findings import Findings
from infra.lab.audit.invariants.claims import CLAIMS
from infra.lab.audit.invariants.mail import by_matter, matters
from infra.lab.audit.log import Said

PERSONS = ("customer_id", "seller_id", "person_id")
AMOUNT = re.compile(r"(\d+(?:\.\d+)?) ([A-Z]{3})\b")


def events_say_what_is_recorded(found: Evidence) -> Findings:
    """Every field of every event agrees with its publisher's records, as far as they contain it."""
    for said in found.said(*CLAIMS):
        for field, stated, recorded in CLAIMS[said.name](found, said):
            if stated != recorded:
                about = {"event_id": str(said.id), "type": said.type, "subject": said.subject}
                yield {**about, "field": field, "said": str(stated), "recorded": str(recorded)}


def facts_follow_one_another(found: Evidence) -> Findings:
    """Each event about a product changes only those of its facts that the event reports.

    The last version equals that of the catalog."""
    versions: dict[str, dict[int, Said]] = {}
    for said in found.said(*MAY_CHANGE):
        version, known = said.body["facts"]["version"], versions.setdefault(said.subject, {})
        if version in known:
            yield {"product_id": said.subject, "version": version, "said_times": 2}
        known[version] = said
    for product_id, known in versions.items():
        row = found.catalog.products.get(product_id)
        facts: dict[str, Any] | None = None
        if sorted(known) != list(range(1, len(known) + 1)) or row is None or row["version"] != len(known):
            yield {"product_id": product_id, "versions_said": sorted(known), "catalog_has": row and row["version"]}
            continue
        for _, said in sorted(known.items()):
            before, facts = facts, _facts(said)
            changed = {field for field in facts if before is not None and facts[field] != before[field]}
            if not changed <= MAY_CHANGE[said.name] or facts["status"] != _status(found, said, facts):
                yield {"product_id": product_id, "type": said.type, "changed": sorted(changed), "facts": str(facts)}
        has = {field: row[field] for field in facts or ()}
        if facts != has:
            yield {"product_id": product_id, "said": str(facts), "catalog_has": str(has)}


def mail_says_what_happened(found: Evidence) -> Findings:
    """Every mail contains the order, amounts, parcel, products or endpoint of its event, and no other amounts."""
    told = matters(found)
    for matter, mails in by_matter(found).items():
        if (said := told.get(matter)) is None:
            continue  # reported by `no_mail_is_made_up`
        words, amounts = _content(said)
        for mail in mails:
            missing = [word for word in words if not re.search(rf"(?<![\w-]){re.escape(word)}(?![\w-])", mail.text)]
            if missing or AMOUNT.findall(mail.text) != amounts:
                about = {"about": mail.about, "kind": mail.kind, "text": mail.text}
                yield {**about, "missing": missing, "amounts": [" ".join(each) for each in amounts]}


def webhooks_say_what_was_said(found: Evidence) -> Findings:
    """Every webhook delivery contains an unchanged event of the log that the endpoint's owner may receive."""
    for row in found.webhooks.deliveries:
        body = json.loads(row["body"])
        said = found.log.events.get((UUID(row["event_id"]), row["type"]))
        about = {name: row[name] for name in ("endpoint_id", "event_id", "type")}
        if said is None:
            yield {**about, "said": False}
            continue
        owner = found.webhooks.endpoints.get(row["endpoint_id"], {"owner": None, "everyones": False})
        concerned = [said.body[name] for name in PERSONS if name in said.body]
        if not (owner["everyones"] or owner["owner"] in concerned or said.name in MAY_CHANGE):
            yield {**about, "owner": owner["owner"], "concerns": concerned}
        envelope = (str(said.id), said.type, said.user, said.subject, said.at)
        sent = (body["id"], body["type"], body["source"], body["subject"], datetime.fromisoformat(body["time"]))
        if sent != envelope or body["data"] != said.body:
            yield {**about, "sent": row["body"], "said": said.raw.decode()}


MAY_CHANGE: dict[str, frozenset[str]] = {
    "catalog.product-listed": frozenset(),
    "catalog.price-changed": frozenset({"price_amount", "price_currency"}),
    "catalog.product-discontinued": frozenset({"status"}),
    "catalog.product-sold-out": frozenset({"status"}),
    "catalog.product-restocked": frozenset({"status"}),
}
"""Facts of a product that each event may change, besides their version."""
STATUS = {
    "catalog.product-discontinued": "discontinued",
    "catalog.product-sold-out": "sold-out",
    "catalog.product-restocked": "on-sale",
}


def _status(found: Evidence, said: Said, facts: Mapping[str, Any]) -> str:
    """Return the product's status after this event, as far as the event determines it."""
    if said.name == "catalog.product-listed" and found.record.listed.get(said.subject):
        return "on-sale"
    return STATUS.get(said.name, str(facts["status"]))


def _facts(said: Said) -> dict[str, Any]:
    facts = said.body["facts"]
    price = {"price_amount": facts["price"]["amount"], "price_currency": facts["price"]["currency"]}
    return {"name": facts["name"], "category": facts["category"], "status": facts["status"], **price}


def _content(said: Said) -> tuple[list[str], list[tuple[str, str]]]:  # noqa: PLR0911 - one arm per event
    """Return the words that a mail about an event must contain, and the exact amounts that it must state."""
    body = said.body
    match said.name:
        case "checkout.order-confirmed":
            return [said.subject], [_amount_as_text(body["total"])]
        case "checkout.payment-refunded":
            return [said.subject], [_amount_as_text(body["amount"])]
        case "checkout.order-cancelled":
            return [said.subject, *(["address"] if body.get("detail") == "no-address" else [])], []
        case "delivery.shipment-dispatched":
            return [said.subject, body["tracking"]["carrier"], body["tracking"]["code"]], []
        case "cart.cart-abandoned":
            return [str(len(body["product_ids"]))], []
        case "catalog.stock-running-low":
            return [said.subject, str(body["available"])], []
        case _:
            return [said.subject], []


def _amount_as_text(money: Mapping[str, Any]) -> tuple[str, str]:
    """Return the amount as people write it, by the currency's minor units (ISO 4217)."""
    decimals = Currency(money["currency"]).exponent or 0
    whole, rest = divmod(money["amount"], 10**decimals)
    return f"{whole}.{rest:0{decimals}}" if decimals else str(whole), money["currency"]
