"""Defines the invariants of mail, checked against the mail sink."""

from collections import defaultdict
from itertools import pairwise

from infra.lab.audit.evidence import Evidence, Mail
from infra.lab.audit.findings import Findings
from infra.lab.audit.gaps import TERMINATIONS
from infra.lab.audit.invariants.events import MAX_CLOCK_SKEW
from infra.lab.audit.log import PublishedEvent
from infra.lab.audit.record import Fault, address_of

ORDER_MAIL_KINDS = {
    "checkout.order-confirmed": "order-confirmed",
    "checkout.order-cancelled": "order-cancelled",
    "checkout.payment-refunded": "payment-refunded",
    "checkout.order-delivered": "order-delivered",
    "delivery.shipment-dispatched": "shipment-dispatched",
    "delivery.cancellation-refused": "cancellation-refused",
}
"""Kind of the mail that reports each event about an order. An order has at most one mail of each kind."""

EVENT_MAIL_KINDS = {
    "cart.cart-abandoned": "cart-abandoned",
    "catalog.stock-running-low": "stock-running-low",
    "notifications.webhook-disabled": "webhook-disabled",
}
"""Kind of the mail that reports each other event. Each of these events has a mail of its own."""

UNSENT = ("skipped", "failed")
"""Statuses of a notification that is not sent: the person does not want it, or cannot be reached."""

PROCESS_FAULTS = (*TERMINATIONS, "pause")
NETWORK_FAULTS = ("latency", "jitter", "bandwidth", "black-hole", "reset", "half-open")
ANSWER_FAULTS = ("slow", "lost-answers")
DATABASE_FAULTS = ("terminated-sessions", "exhausted-connections", "held-lock", "read-only")
FAULTS_CAUSING_REPEATS = {
    "notifications": PROCESS_FAULTS,
    "notifications-db": (*PROCESS_FAULTS, *DATABASE_FAULTS),  # the database server
    "notifications:db": NETWORK_FAULTS,  # the network connection to it
    "outside": PROCESS_FAULTS,  # the process of the stand-ins, with the mail sink
    "mail": (*NETWORK_FAULTS, *ANSWER_FAULTS),  # the network connection to the mail sink, and the sink's fault dial
}
"""Fault kinds, by part, that can prevent a mail from being marked as sent although it arrived. SMTP has no idempotency
keys, so such a mail is sent again."""
FAULTS_WITHOUT_DELAY = {"notifications": ("kill",), "outside": TERMINATIONS, "mail": ("lost-answers",)}
"""The fault kinds in `FAULTS_CAUSING_REPEATS`, by part, that delay no mail.

Once a mail is marked as sent, no further copy is begun. So a copy that arrives later was begun before and delayed. Only
the other kinds can explain it."""

MAX_SENDING_S = 60.0
"""Maximum seconds for sending a mail and marking it as sent: 30 s for the call, 15 s for the transaction that marks it,
and 15 s for the waits before these two."""
MAX_AFTEREFFECT_S = 10.0
"""Seconds after which a fault that has ended can no longer be the cause: whatever it delayed has arrived by then."""

MailKey = tuple[str, str]
"""Identifies a mail: the matter that it is about (an order id, or `subject:event id`), and its kind."""


def every_mail_arrives(evidence: Evidence) -> Findings:
    """A mail arrived for every event that a person is to be notified of, unless that person wants none or has no
    address.

    For the record's customers there is no such excuse: they have an address, and want every mail. Every mail that
    arrived is marked as sent.
    """
    arrived = mails_by_key(evidence)
    customers = {request.customer for request in evidence.record.checkout_requests.values()}
    for key in expected_mails(evidence):
        notification = evidence.notifications.get(key, {"status": None, "person_id": None})
        status = notification["status"]
        if key not in arrived and (status not in UNSENT or notification["person_id"] in customers):
            yield {"about": key[0], "kind": key[1], "mails": 0, "notification": status}
        if key in arrived and status != "sent":
            yield {"about": key[0], "kind": key[1], "mails": len(arrived[key]), "notification": status}


def no_mail_comes_twice(evidence: Evidence) -> Findings:
    """No mail arrived twice: an order has at most one mail of each kind, and any other event at most one.

    A repeat is allowed only if a fault in the record occurred while the mail was being sent or marked as sent."""
    for key, mails in mails_by_key(evidence).items():
        if len(mails) > 1 and not is_repeat_excused(evidence, key, mails):
            times = [mail.at.isoformat() for mail in mails]
            yield {"about": key[0], "kind": key[1], "mails": len(mails), "arrived": times}


def mail_reaches_its_customer(evidence: Evidence) -> Findings:
    """Every mail about an order, a cart or an endpoint of one of the record's customers went to that customer."""
    customers = {request.customer for request in evidence.record.checkout_requests.values()}
    for mail in evidence.mails:
        about = mail.about or ""
        notification = evidence.notifications.get((about, mail.kind or ""), {})
        # Without a notification, the part before the colon counts: for a mail about a cart, it is the customer's id.
        customer = evidence.record.customers_by_order.get(about) or notification.get(
            "person_id", about.rpartition(":")[0]
        )
        if customer in customers and mail.to != address_of(customer):
            yield {"about": mail.about, "kind": mail.kind, "customer": customer, "to": mail.to}


def no_mail_is_made_up(evidence: Evidence) -> Findings:
    """Every mail is about an event that was published."""
    expected = expected_mails(evidence)
    for key, mails in mails_by_key(evidence).items():
        if key not in expected:
            yield {"about": key[0], "kind": key[1], "mails": len(mails), "happened": False}


def expected_mails(evidence: Evidence) -> dict[MailKey, PublishedEvent]:
    """Return the event that each mail which is to be sent reports, by the key of the mail."""
    expected = {
        (event.subject, ORDER_MAIL_KINDS[event.name]): event for event in evidence.events_named(*ORDER_MAIL_KINDS)
    }
    for event in evidence.events_named(*EVENT_MAIL_KINDS):
        expected[f"{event.subject}:{event.id}", EVENT_MAIL_KINDS[event.name]] = event
    return expected


def mails_by_key(evidence: Evidence) -> dict[MailKey, list[Mail]]:
    """Return the mails that arrived, by key."""
    arrived: dict[MailKey, list[Mail]] = defaultdict(list)
    for mail in evidence.mails:
        arrived[mail.about or "", mail.kind or ""].append(mail)
    return arrived


def is_repeat_excused(evidence: Evidence, key: MailKey, mails: list[Mail]) -> bool:
    """Whether, for each copy but the last, some fault in the record can explain why the mail was sent again.

    Such a fault overlaps the time in which that copy was sent and marked as sent. This time ends at the latest when the
    next copy arrives. If the mail was marked as sent before that, the fault must also be able to delay mail.
    """
    marked_sent_at = evidence.notifications.get(key, {}).get("sent_at")
    times = sorted(mail.at for mail in mails)
    return all(
        any(
            _may_cause_repeat(
                fault,
                already_marked_sent=marked_sent_at is not None and next_arrived_at > marked_sent_at + MAX_CLOCK_SKEW,
            )
            and fault.overlaps(
                arrived_at.timestamp() - MAX_AFTEREFFECT_S,
                min(next_arrived_at.timestamp(), arrived_at.timestamp() + MAX_SENDING_S),
            )
            for fault in evidence.record.faults
        )
        for arrived_at, next_arrived_at in pairwise(times)
    )


def _may_cause_repeat(fault: Fault, *, already_marked_sent: bool) -> bool:
    """Whether this fault may cause a repeated mail.

    `already_marked_sent`: the mail was marked as sent before the repeat arrived.
    """
    part = fault.part.partition(".")[0]  # without the number of a replica
    if already_marked_sent and fault.kind in FAULTS_WITHOUT_DELAY.get(part, ()):
        return False
    return fault.kind in FAULTS_CAUSING_REPEATS.get(part, ())
