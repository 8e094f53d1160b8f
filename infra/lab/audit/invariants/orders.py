"""Defines the invariants of orders: every promised order exists once, and reaches one final state by valid steps."""

from collections import Counter

from infra.lab.audit.evidence import Evidence
from infra.lab.audit.findings import Findings
from infra.lab.audit.order_history import Terms

EVENT_OF_ENTRY = {
    "placed": "checkout.order-placed",
    "payment-captured": "checkout.payment-captured",
    "payment-declined": "checkout.payment-declined",
    "confirmed": "checkout.order-confirmed",
    "cancellation-requested": "checkout.cancellation-requested",
    "cancelled": "checkout.order-cancelled",
    "refunded": "checkout.payment-refunded",
    "delivered": "checkout.order-delivered",
}
DEADLINE_STARTS = {
    "payment-timed-out": "stock-reserved",
    "no-address": "stock-reserved",
    "no-stock-answer": "placed",
    "reservation-expired": "placed",  # the catalog starts counting before checkout receives stock-reserved
}
"""Journal entry that starts the waiting time, by the reason for which the order is then cancelled."""
TOLERANCE_S = 1.0


def accepted_is_ordered(evidence: Evidence) -> Findings:
    """Every checkout that was answered with 202 became exactly one order of that customer."""
    promised = Counter(request.order_id for request in evidence.record.checkout_requests.values() if request.order_id)
    for order_id, customer in evidence.record.customers_by_order.items():
        history = evidence.order_histories.get(order_id)
        if promised[order_id] > 1:
            yield {"order_id": order_id, "promised_times": promised[order_id]}
        if history is None:
            yield {"order_id": order_id, "customer": customer, "accepted": True, "known_to_checkout": False}
        elif history.customer != customer:
            yield {"order_id": order_id, "customer": customer, "belongs_to": history.customer}


def nobody_ordered_unasked(evidence: Evidence) -> Findings:
    """A checkout without an answer became at most one order, and a refused checkout became none."""
    accepted = evidence.record.customers_by_order
    unanswered = Counter(
        request.customer
        for request in evidence.record.checkout_requests.values()
        if request.order_id is None and not request.refused
    )
    customers = {request.customer for request in evidence.record.checkout_requests.values()}
    surplus: dict[str, list[str]] = {}
    for order_id, history in evidence.order_histories.items():
        if history.customer in customers and order_id not in accepted:
            surplus.setdefault(history.customer, []).append(order_id)
    for customer, orders in surplus.items():
        if len(orders) > unanswered[customer]:
            yield {"customer": customer, "orders_not_accepted": orders, "unanswered": unanswered[customer]}


def checked_out_is_placed(evidence: Evidence) -> Findings:
    """Checkout has exactly the orders that the cart published, with the same customer, lines, total and address."""
    for order_id, body in evidence.checked_out.items():
        history = evidence.order_histories.get(order_id)
        if history is None:
            yield {"order_id": order_id, "checked_out": True, "known_to_checkout": False}
            continue
        published = (body["customer_id"], Terms.of(body), body.get("address_id"))
        has = (history.customer, history.ordered, history.data["placed"].get("address_id"))
        if published != has:
            yield {"order_id": order_id, "cart_said": str(published), "checkout_has": str(has)}
    for order_id in evidence.order_histories.keys() - evidence.checked_out.keys():
        yield {"order_id": order_id, "known_to_checkout": True, "checked_out": False}


def every_order_ends(evidence: Evidence) -> Findings:
    """Every order reached exactly one final state: delivered or cancelled."""
    for order_id, history in evidence.order_histories.items():
        ends = [each for each in history.entry_types if each in ("delivered", "cancelled")]
        if len(ends) != 1 or not history.is_final:
            yield {"order_id": order_id, "status": history.status, "ends": ends}


def journals_are_lawful(evidence: Evidence) -> Findings:
    """The versions of a journal have no gaps, and every entry is allowed after the one before it."""
    for order_id, history in evidence.order_histories.items():
        for violation in history.rule_violations:
            yield {"order_id": order_id, "fault": violation}


def read_model_is_its_journal(evidence: Evidence) -> Findings:
    """Checkout's read model has exactly the orders that have a journal, with the values of the journal."""
    orders = evidence.checkout.orders
    for order_id in evidence.order_histories.keys() ^ orders.keys():
        yield {"order_id": order_id, "has_journal": order_id in evidence.order_histories, "has_row": order_id in orders}
    for order_id in evidence.order_histories.keys() & orders.keys():
        history, row = evidence.order_histories[order_id], orders[order_id]
        for name, expected in (
            ("version", history.version),
            ("status", history.status),
            ("payment", history.payment),
            ("provider", history.provider),
            ("reason", history.reason),
            ("customer_id", history.customer),
            ("total_amount", history.total),
            ("currency", history.currency),
            ("address_id", history.address_id),
        ):
            if row[name] != expected:
                yield {"order_id": order_id, "column": name, "row": row[name], "journal": expected}
        total = {"amount": row["total_amount"], "currency": row["currency"]}
        if Terms.of({"lines": row["lines"], "total": total}) != history.charged:
            yield {"order_id": order_id, "column": "lines", "row": row["lines"], "journal": str(history.charged)}


def customers_read_the_truth(evidence: Evidence) -> Findings:
    """GET /orders shows customers their orders as in the journals: status, reason, payment, lines and total."""
    for order_id, view in evidence.customer_orders.items():
        history = evidence.order_histories.get(order_id)
        shown = (view["customer_id"], view["status"], view["reason"], view["payment"], Terms.of(view))
        expected = history and (history.customer, history.status, history.reason, history.payment, history.charged)
        if shown != expected:
            yield {"order_id": order_id, "shown": str(shown), "journal": str(expected)}
    customers = set(evidence.record.customers_by_order.values())
    for order_id, history in evidence.order_histories.items():
        if history.customer in customers and order_id not in evidence.customer_orders:
            yield {"order_id": order_id, "shown": None, "journal": history.status}


def said_is_journalled(evidence: Evidence) -> Findings:
    """Checkout published exactly one event for each journal entry that has a corresponding event, and no others."""
    published = Counter((event.subject, event.name) for event in evidence.events_named(*EVENT_OF_ENTRY.values()))
    written = Counter(
        (order_id, EVENT_OF_ENTRY[type])
        for order_id, history in evidence.order_histories.items()
        for type in history.entry_types
        if type in EVENT_OF_ENTRY
    )
    for order_id, type in published.keys() | written.keys():
        if published[order_id, type] != written[order_id, type]:
            times = {"said": published[order_id, type], "written": written[order_id, type]}
            yield {"order_id": order_id, "type": type, **times}


def deadlines_are_honoured(evidence: Evidence) -> Findings:
    """No order was given up or cancelled because of a deadline before that deadline had passed."""
    for order_id, journal in evidence.checkout.journal.items():
        at = {entry.type: entry.at for entry in reversed(journal)}
        for entry in journal:
            reason = str(entry.data.get("reason")) if entry.type in ("given-up", "cancelled") else ""
            begin, due_s = at.get(DEADLINE_STARTS.get(reason, "")), evidence.deadlines.get(reason)
            # once no provider can charge the order (each key is closed), it is cancelled at once
            # confirmed orders have no deadline
            if begin is None or due_s is None or {"payment-closed", "confirmed"} & at.keys():
                continue
            waited_s = (entry.at - begin).total_seconds()
            if waited_s < due_s - TOLERANCE_S:
                yield {"order_id": order_id, "reason": reason, "waited_s": waited_s, "due_s": due_s}
