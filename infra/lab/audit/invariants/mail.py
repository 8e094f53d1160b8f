"""Defines the invariants of mail, checked against the mail sink."""

from collections import defaultdict
from itertools import pairwise

from infra.lab.audit.evidence import Evidence, Mail
from infra.lab.audit.findings import Findings
from infra.lab.audit.gaps import TERMINATIONS
from infra.lab.audit.invariants.events import MAX_CLOCK_SKEW
from infra.lab.audit.log import PublishedEvent
from infra.lab.audit.record import Fault, address_of

ABOUT_ORDERS = {
    "checkout.order-confirmed": "order-confirmed",
    "checkout.order-cancelled": "order-cancelled",
    "checkout.payment-refunded": "payment-refunded",
    "checkout.order-delivered": "order-delivered",
    "delivery.shipment-dispatched": "shipment-dispatched",
    "delivery.cancellation-refused": "cancellation-refused",
}
ABOUT_EVENTS = {
    "cart.cart-abandoned": "cart-abandoned",
    "catalog.stock-running-low": "stock-running-low",
    "notifications.webhook-disabled": "webhook-disabled",
}
UNSENT = ("skipped", "failed")
"""Statuses of a notification that is not sent: the person does not want it, or cannot be reached."""
PROCESS_FAULTS = (*TERMINATIONS, "pause")
NETWORK_FAULTS = ("latency", "jitter", "bandwidth", "black-hole", "reset", "half-open")
ANSWER_FAULTS = ("slow", "lost-answers")
DATABASE_FAULTS = ("terminated-sessions", "exhausted-connections", "held-lock", "read-only")
FAULTS_CAUSING_REPEATS = {
    "notifications": PROCESS_FAULTS,
    "notifications-db": (*PROCESS_FAULTS, *DATABASE_FAULTS),
    "notifications:db": NETWORK_FAULTS,
    "outside": PROCESS_FAULTS,
    "mail": (*NETWORK_FAULTS, *ANSWER_FAULTS),
}
"""Fault kinds, by part, after which a mail that arrived may not be recorded as sent. SMTP has no idempotency keys, so
such a mail is sent again."""
FAULTS_WITHOUT_DELAY = {"notifications": ("kill",), "outside": TERMINATIONS, "mail": ("lost-answers",)}
"""Those of them that delay no mail. They cannot explain a copy that arrives after another one was recorded as sent."""
MAX_SENDING_S = 60.0
"""Maximum seconds for sending a mail and recording it: 30 s for the call, 15 s for its transaction, and time to
start."""
MAX_AFTEREFFECT_S = 10.0
"""Seconds after which a fault that has ended can no longer be the cause: whatever it delayed has arrived by then."""

Matter = tuple[str, str]


def every_mail_arrives(found: Evidence) -> Findings:
    """A mail arrived for every event that a person is to be notified of, unless that person wants none or has no
    address.

    The record's customers have an address, and want every mail.
    """
    arrived = by_matter(found)
    customers = {request.customer for request in found.record.checkout_requests.values()}
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
        if len(mails) > 1 and not is_repeat_excused(found, matter, mails):
            times = [mail.at.isoformat() for mail in mails]
            yield {"about": matter[0], "kind": matter[1], "mails": len(mails), "arrived": times}


def mail_reaches_its_customer(found: Evidence) -> Findings:
    """Every mail about an order, a cart or an endpoint of one of the record's customers went to that customer."""
    customers = {request.customer for request in found.record.checkout_requests.values()}
    for mail in found.mails:
        about = mail.about or ""
        message = found.notifications.get((about, mail.kind or ""), {})
        customer = found.record.accepted.get(about) or message.get("person_id", about.rpartition(":")[0])
        if customer in customers and mail.to != address_of(customer):
            yield {"about": mail.about, "kind": mail.kind, "customer": customer, "to": mail.to}


def no_mail_is_made_up(found: Evidence) -> Findings:
    """Every mail is about an event that was published."""
    published_matters = matters(found)
    for matter, mails in by_matter(found).items():
        if matter not in published_matters:
            yield {"about": matter[0], "kind": matter[1], "mails": len(mails), "happened": False}


def matters(found: Evidence) -> dict[Matter, PublishedEvent]:
    """Return what people are to be notified of, by matter and kind, with the event that reports it."""
    published_matters = {(event.subject, ABOUT_ORDERS[event.name]): event for event in found.published(*ABOUT_ORDERS)}
    for event in found.published(*ABOUT_EVENTS):
        published_matters[f"{event.subject}:{event.id}", ABOUT_EVENTS[event.name]] = event
    return published_matters


def by_matter(found: Evidence) -> dict[Matter, list[Mail]]:
    """Return the mails that arrived, by what they are about and by kind."""
    arrived: dict[Matter, list[Mail]] = defaultdict(list)
    for mail in found.mails:
        arrived[mail.about or "", mail.kind or ""].append(mail)
    return arrived


def is_repeat_excused(found: Evidence, matter: Matter, mails: list[Mail]) -> bool:
    """Whether a recorded fault overlaps the sending and recording of every copy but the last.

    A copy that arrives after an earlier one was recorded as sent needs a fault that can delay mail until then.
    """
    recorded = found.notifications.get(matter, {}).get("sent_at")
    times = sorted(mail.at for mail in mails)
    return all(
        any(
            _may_cause_repeat(fault, already_recorded=recorded is not None and again > recorded + MAX_CLOCK_SKEW)
            and fault.overlaps(
                sent.timestamp() - MAX_AFTEREFFECT_S, min(again.timestamp(), sent.timestamp() + MAX_SENDING_S)
            )
            for fault in found.record.faults
        )
        for sent, again in pairwise(times)
    )


def _may_cause_repeat(fault: Fault, *, already_recorded: bool) -> bool:
    """Whether this fault may cause a repeated mail. With `already_recorded`, an earlier copy is recorded as sent."""
    service = fault.part.partition(".")[0]  # a replica's service; other parts stay as they are
    if already_recorded and fault.kind in FAULTS_WITHOUT_DELAY.get(service, ()):
        return False
    return fault.kind in FAULTS_CAUSING_REPEATS.get(service, ())
