"""Defines the invariants of orders: every promised order exists once, and reaches one final state by valid steps."""

from collections import Counter

from infra.lab.audit.evidence import Evidence
from infra.lab.audit.findings import Findings
from infra.lab.audit.life import Terms

SAID_OF = {
    "placed": "checkout.order-placed",
    "payment-captured": "checkout.payment-captured",
    "payment-declined": "checkout.payment-declined",
    "confirmed": "checkout.order-confirmed",
    "cancellation-requested": "checkout.cancellation-requested",
    "cancelled": "checkout.order-cancelled",
    "refunded": "checkout.payment-refunded",
    "delivered": "checkout.order-delivered",
}
BEGINS = {
    "payment-timed-out": "stock-reserved",
    "no-address": "stock-reserved",
    "no-stock-answer": "placed",
    "reservation-expired": "placed",  # the catalog starts counting before checkout receives stock-reserved
}
"""Journal entry that starts the waiting time, by the reason for which the order is then cancelled."""
TOLERANCE_S = 1.0


def accepted_is_ordered(found: Evidence) -> Findings:
    """Every checkout that was answered with 202 became exactly one order of that customer."""
    promised = Counter(ask.order_id for ask in found.record.asks.values() if ask.order_id)
    for order_id, customer in found.record.accepted.items():
        life = found.lives.get(order_id)
        if promised[order_id] > 1:
            yield {"order_id": order_id, "promised_times": promised[order_id]}
        if life is None:
            yield {"order_id": order_id, "customer": customer, "accepted": True, "known_to_checkout": False}
        elif life.customer != customer:
            yield {"order_id": order_id, "customer": customer, "belongs_to": life.customer}


def nobody_ordered_unasked(found: Evidence) -> Findings:
    """A checkout without an answer became at most one order, and a refused checkout became none."""
    accepted = found.record.accepted
    unanswered = Counter(ask.customer for ask in found.record.asks.values() if ask.order_id is None and not ask.refused)
    customers = {ask.customer for ask in found.record.asks.values()}
    surplus: dict[str, list[str]] = {}
    for order_id, life in found.lives.items():
        if life.customer in customers and order_id not in accepted:
            surplus.setdefault(life.customer, []).append(order_id)
    for customer, orders in surplus.items():
        if len(orders) > unanswered[customer]:
            yield {"customer": customer, "orders_not_accepted": orders, "unanswered": unanswered[customer]}


def checked_out_is_placed(found: Evidence) -> Findings:
    """Checkout has exactly the orders that the cart published, with the same customer, lines, total and address."""
    for order_id, body in found.checked_out.items():
        life = found.lives.get(order_id)
        if life is None:
            yield {"order_id": order_id, "checked_out": True, "known_to_checkout": False}
            continue
        said = (body["customer_id"], Terms.of(body), body.get("address_id"))
        has = (life.customer, life.ordered, life.data["placed"].get("address_id"))
        if said != has:
            yield {"order_id": order_id, "cart_said": str(said), "checkout_has": str(has)}
    for order_id in found.lives.keys() - found.checked_out.keys():
        yield {"order_id": order_id, "known_to_checkout": True, "checked_out": False}


def every_order_ends(found: Evidence) -> Findings:
    """Every order reached exactly one final state: delivered or cancelled."""
    for order_id, life in found.lives.items():
        ends = [each for each in life.types if each in ("delivered", "cancelled")]
        if len(ends) != 1 or not life.over:
            yield {"order_id": order_id, "status": life.status, "ends": ends}


def journals_are_lawful(found: Evidence) -> Findings:
    """The versions of a journal have no gaps, and every entry is allowed after the one before it."""
    for order_id, life in found.lives.items():
        for fault in life.faults:
            yield {"order_id": order_id, "fault": fault}


def read_model_is_its_journal(found: Evidence) -> Findings:
    """Checkout's read model has exactly the orders that have a journal, with the values of the journal."""
    orders = found.checkout.orders
    for order_id in found.lives.keys() ^ orders.keys():
        yield {"order_id": order_id, "has_journal": order_id in found.lives, "has_row": order_id in orders}
    for order_id in found.lives.keys() & orders.keys():
        life, row = found.lives[order_id], orders[order_id]
        for name, told in (
            ("version", life.version),
            ("status", life.status),
            ("payment", life.payment),
            ("provider", life.provider),
            ("reason", life.reason),
            ("customer_id", life.customer),
            ("total_amount", life.total),
            ("currency", life.currency),
            ("address_id", life.address_id),
        ):
            if row[name] != told:
                yield {"order_id": order_id, "column": name, "row": row[name], "journal": told}
        total = {"amount": row["total_amount"], "currency": row["currency"]}
        if Terms.of({"lines": row["lines"], "total": total}) != life.terms:
            yield {"order_id": order_id, "column": "lines", "row": row["lines"], "journal": str(life.terms)}


def customers_read_the_truth(found: Evidence) -> Findings:
    """GET /orders shows customers their orders as in the journals: status, reason, payment, lines and total."""
    for order_id, view in found.views.items():
        life = found.lives.get(order_id)
        shown = (view["customer_id"], view["status"], view["reason"], view["payment"], Terms.of(view))
        told = life and (life.customer, life.status, life.reason, life.payment, life.terms)
        if shown != told:
            yield {"order_id": order_id, "shown": str(shown), "journal": str(told)}
    customers = set(found.record.accepted.values())
    for order_id, life in found.lives.items():
        if life.customer in customers and order_id not in found.views:
            yield {"order_id": order_id, "shown": None, "journal": life.status}


def said_is_journalled(found: Evidence) -> Findings:
    """Checkout published exactly one event for each journal entry that has a corresponding event, and no others."""
    said = Counter((event.subject, event.name) for event in found.said(*SAID_OF.values()))
    written = Counter(
        (order_id, SAID_OF[type]) for order_id, life in found.lives.items() for type in life.types if type in SAID_OF
    )
    for order_id, type in said.keys() | written.keys():
        if said[order_id, type] != written[order_id, type]:
            times = {"said": said[order_id, type], "written": written[order_id, type]}
            yield {"order_id": order_id, "type": type, **times}


def deadlines_are_honoured(found: Evidence) -> Findings:
    """No order was given up or cancelled because of a deadline before that deadline had passed."""
    for order_id, journal in found.checkout.journal.items():
        at = {entry.type: entry.at for entry in reversed(journal)}
        for entry in journal:
            reason = str(entry.data.get("reason")) if entry.type in ("given-up", "cancelled") else ""
            begin, due_s = at.get(BEGINS.get(reason, "")), found.deadlines.get(reason)
            if begin is None or due_s is None or {"payment-closed", "confirmed"} & at.keys():
                continue
            waited_s = (entry.at - begin).total_seconds()
            if waited_s < due_s - TOLERANCE_S:
                yield {"order_id": order_id, "reason": reason, "waited_s": waited_s, "due_s": due_s}
