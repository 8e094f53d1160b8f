"""Invariants of mail, by the mail sink."""

from collections import defaultdict
from datetime import datetime

from infra.audit.evidence import Evidence, Mail
from infra.audit.findings import Findings

ABOUT_ORDERS = {
    "checkout.order-confirmed": "order-confirmed",
    "checkout.order-cancelled": "order-cancelled",
    "checkout.payment-refunded": "payment-refunded",
    "checkout.order-delivered": "order-delivered",
    "delivery.shipment-dispatched": "shipment-dispatched",
    "delivery.cancellation-refused": "cancellation-refused",
}
ABOUT_MOMENTS = {
    "cart.cart-abandoned": "cart-abandoned",
    "catalog.stock-running-low": "stock-running-low",
}
UNSENT = ("skipped", "failed")
"""Nobody wants it, or nobody can be reached."""
REPEATS_BY = ("notifications", "outside", "mail")
"""Parts whose death, pause or cut may fall between the sending of a mail and its record. SMTP knows no keys."""

Matter = tuple[str, str]


def every_mail_arrives(found: Evidence) -> Findings:
    """Whatever happened that a person is told of: one mail arrived, unless that person wants none or has no address.

    The record's customers have an address, and want every mail.
    """
    arrived = by_matter(found)
    customers = {ask.customer for ask in found.record.asks.values()}
    for matter in matters(found):
        message = found.notifications.get(matter, {"status": None, "person_id": None})
        status = message["status"]
        if matter not in arrived and (status not in UNSENT or message["person_id"] in customers):
            yield {"about": matter[0], "kind": matter[1], "mails": 0, "notification": status}
        if matter in arrived and status != "sent":
            yield {"about": matter[0], "kind": matter[1], "mails": len(arrived[matter]), "notification": status}


def no_mail_comes_twice(found: Evidence) -> Findings:
    """There is one mail per matter and kind. A repeat is allowed only where a recorded fault fell into its sending."""
    happened = matters(found)
    for matter, mails in by_matter(found).items():
        if len(mails) > 1 and not excused(found, happened.get(matter), mails):
            times = [mail.at.isoformat() for mail in mails]
            yield {"about": matter[0], "kind": matter[1], "mails": len(mails), "arrived": times}


def no_mail_is_made_up(found: Evidence) -> Findings:
    """Every mail is about something that happened."""
    happened = matters(found)
    for matter, mails in by_matter(found).items():
        if matter not in happened:
            yield {"about": matter[0], "kind": matter[1], "mails": len(mails), "happened": False}


def matters(found: Evidence) -> dict[Matter, datetime]:
    """All that people are to be told of, and when it happened."""
    happened = {(event.subject, ABOUT_ORDERS[event.name]): event.at for event in found.said(*ABOUT_ORDERS)}
    for event in found.said(*ABOUT_MOMENTS):
        happened[f"{event.subject}:{event.id}", ABOUT_MOMENTS[event.name]] = event.at
    return happened


def by_matter(found: Evidence) -> dict[Matter, list[Mail]]:
    """The mails that arrived."""
    arrived: dict[Matter, list[Mail]] = defaultdict(list)
    for mail in found.mails:
        arrived[mail.about or "", mail.kind or ""].append(mail)
    return arrived


def excused(found: Evidence, since: datetime | None, mails: list[Mail]) -> bool:
    """Whether a recorded fault fell between the event and the last copy of its mail."""
    began = (since or mails[0].at).timestamp()
    ended = max(mail.at for mail in mails).timestamp()
    faults = found.record.faults
    return any(fault.part.startswith(REPEATS_BY) and fault.overlaps(began, ended) for fault in faults)
