"""Defines the invariants of mail, checked against the mail sink."""

from collections import defaultdict
from itertools import pairwise

from infra.lab.audit.evidence import Evidence, Mail
from infra.lab.audit.findings import Findings
from infra.lab.audit.gaps import DEATHS
from infra.lab.audit.invariants.events import CLOCKS_DIFFER
from infra.lab.audit.log import Said
from infra.lab.audit.record import Fault, address_of

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
    "notifications.webhook-disabled": "webhook-disabled",
}
UNSENT = ("skipped", "failed")
"""Statuses of a notification that is not sent: the person does not want it, or cannot be reached."""
ENDS = (*DEATHS, "pause")
CUTS = ("latency", "jitter", "bandwidth", "black-hole", "reset", "half-open")
SILENCE = ("slow", "lost-answers")
NO_RECORD = ("terminated-sessions", "exhausted-connections", "held-lock", "read-only")
REPEATED_BY = {
    "notifications": ENDS,
    "notifications-db": (*ENDS, *NO_RECORD),
    "notifications:db": CUTS,
    "outside": ENDS,
    "mail": (*CUTS, *SILENCE),
}
"""Fault kinds, by part, after which a mail that arrived may not be recorded as sent. SMTP has no idempotency keys, so
such a mail is sent again."""
HOLDS_NOTHING = {"notifications": ("kill",), "outside": DEATHS, "mail": ("lost-answers",)}
"""Those of them that delay no mail. They cannot explain a copy that arrives after another one was recorded as sent."""
SENDING_S = 60.0
"""Maximum seconds for sending a mail and recording it: 30 s for the call, 15 s for its transaction, and time to
start."""
BEFORE_S = 10.0
"""Seconds after which a fault that has ended can no longer be the cause: whatever it delayed has arrived by then."""

Matter = tuple[str, str]


def every_mail_arrives(found: Evidence) -> Findings:
    """A mail arrived for every event that a person is to be notified of, unless that person wants none or has no
    address.

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
    """At most one mail of each kind arrived about the same matter.

    A repeat is allowed only if a recorded fault occurred while the mail was being sent."""
    for matter, mails in by_matter(found).items():
        if len(mails) > 1 and not excused(found, matter, mails):
            times = [mail.at.isoformat() for mail in mails]
            yield {"about": matter[0], "kind": matter[1], "mails": len(mails), "arrived": times}


def mail_reaches_its_customer(found: Evidence) -> Findings:
    """Every mail about an order, a cart or an endpoint of one of the record's customers went to that customer."""
    customers = {ask.customer for ask in found.record.asks.values()}
    for mail in found.mails:
        about = mail.about or ""
        message = found.notifications.get((about, mail.kind or ""), {})
        customer = found.record.accepted.get(about) or message.get("person_id", about.rpartition(":")[0])
        if customer in customers and mail.to != address_of(customer):
            yield {"about": mail.about, "kind": mail.kind, "customer": customer, "to": mail.to}


def no_mail_is_made_up(found: Evidence) -> Findings:
    """Every mail is about an event that was published."""
    happened = matters(found)
    for matter, mails in by_matter(found).items():
        if matter not in happened:
            yield {"about": matter[0], "kind": matter[1], "mails": len(mails), "happened": False}


def matters(found: Evidence) -> dict[Matter, Said]:
    """Return what people are to be notified of, by matter and kind, with the event that reports it."""
    happened = {(event.subject, ABOUT_ORDERS[event.name]): event for event in found.said(*ABOUT_ORDERS)}
    for event in found.said(*ABOUT_MOMENTS):
        happened[f"{event.subject}:{event.id}", ABOUT_MOMENTS[event.name]] = event
    return happened


def by_matter(found: Evidence) -> dict[Matter, list[Mail]]:
    """Return the mails that arrived, by what they are about and by kind."""
    arrived: dict[Matter, list[Mail]] = defaultdict(list)
    for mail in found.mails:
        arrived[mail.about or "", mail.kind or ""].append(mail)
    return arrived


def excused(found: Evidence, matter: Matter, mails: list[Mail]) -> bool:
    """Whether a recorded fault overlaps the sending and recording of every copy but the last.

    A copy that arrives after an earlier one was recorded as sent needs a fault that can delay mail until then.
    """
    recorded = found.notifications.get(matter, {}).get("sent_at")
    times = sorted(mail.at for mail in mails)
    return all(
        any(
            _may_repeat(fault, after_all=recorded is not None and again > recorded + CLOCKS_DIFFER)
            and fault.overlaps(sent.timestamp() - BEFORE_S, min(again.timestamp(), sent.timestamp() + SENDING_S))
            for fault in found.record.faults
        )
        for sent, again in pairwise(times)
    )


def _may_repeat(fault: Fault, *, after_all: bool) -> bool:
    """Whether this fault may cause a repeated mail. With `after_all`, an earlier copy was already recorded as sent."""
    service = fault.part.partition(".")[0]  # a replica's service; other parts stay as they are
    if after_all and fault.kind in HOLDS_NOTHING.get(service, ()):
        return False
    return fault.kind in REPEATED_BY.get(service, ())
