"""Defines the invariants of money, checked against the payment providers' own ledgers."""

from collections import Counter
from collections.abc import Sequence

from infra.lab.audit.evidence import Evidence, PaymentEntry
from infra.lab.audit.findings import Findings
from infra.lab.audit.order_history import Terms

ENTRY_OF_EVENT = {
    "checkout.payment-captured": "capture",
    "checkout.payment-declined": "decline",
    "checkout.payment-refunded": "refund",
}
SIGN = {"capture": 1, "refund": -1, "void": -1, "decline": 0}


def captured_is_owed(evidence: Evidence) -> Findings:
    """Providers hold exactly an order's total if it was confirmed and not cancelled afterwards, otherwise nothing."""
    for order_id in evidence.payment_entries_by_order.keys() | evidence.order_histories.keys():
        entries, history = evidence.payment_entries_by_order.get(order_id, []), evidence.order_histories.get(order_id)
        held = sum(SIGN[entry.kind] * entry.amount for entry in entries)
        owed = history.total if history is not None and history.stayed_confirmed else 0
        if held != owed:
            status = history.status if history else "unknown"
            yield {"order_id": order_id, "status": status, "held": held, "owed": owed, "ledger": _shown(entries)}


def nobody_pays_more(evidence: Evidence) -> Findings:
    """An order costs what its customer saw at checkout, or less if its `stock-reserved` event lists lower prices."""
    published = {event.subject: event.body for event in evidence.events_named("catalog.stock-reserved")}
    for order_id, history in evidence.order_histories.items():
        lowered_prices = {
            each["product_id"]: each["price"]["amount"] for each in published.get(order_id, {}).get("lowered") or ()
        }
        lines = tuple(
            (product, units, min(lowered_prices.get(product, price), price), currency)
            for product, units, price, currency in history.ordered.lines
        )
        owed = Terms(lines, sum(units * price for _, units, price, _ in lines), history.ordered.currency)
        if "stock-reserved" in history.entry_types and history.charged != owed:
            yield {"order_id": order_id, "charged": str(history.charged), "owed": str(owed)}


def never_charged_twice(evidence: Evidence) -> Findings:
    """Providers never held more than an order's total, and never gave back more than they held."""
    for order_id, entries in evidence.payment_entries_by_order.items():
        history = evidence.order_histories.get(order_id)
        held, total = 0, history.total if history else 0
        for entry in entries:
            held += SIGN[entry.kind] * entry.amount
            if not 0 <= held <= total:
                yield {"order_id": order_id, "held": held, "total": total, "ledger": _shown(entries)}
                break


def one_provider_at_a_time(evidence: Evidence) -> Findings:
    """Two providers never held the money of an order at the same time."""
    for order_id, entries in evidence.payment_entries_by_order.items():
        held: Counter[str] = Counter()
        for entry in entries:
            held[entry.provider] += SIGN[entry.kind] * entry.amount
            holders = sorted(provider for provider, amount in held.items() if amount > 0)
            if len(holders) > 1:
                yield {"order_id": order_id, "held_by": holders, "ledger": _shown(entries)}
                break


def charged_in_the_orders_currency(evidence: Evidence) -> Findings:
    """Every ledger entry belongs to an existing order and has its currency.

    The void of a charge that was never made may have no currency."""
    for order_id, entries in evidence.payment_entries_by_order.items():
        history = evidence.order_histories.get(order_id)
        expected = history.currency if history else None
        for entry in entries:
            if expected is None or entry.currency not in (
                expected,
                *((None,) if _is_void_without_charge(entry) else ()),
            ):
                yield {"order_id": order_id, "currency": entry.currency, "expected": expected}


def charged_as_a_whole(evidence: Evidence) -> Findings:
    """The amount of every ledger entry is the whole total of its order; the amount of a void may be 0."""
    for order_id, entries in evidence.payment_entries_by_order.items():
        history = evidence.order_histories.get(order_id)
        for entry in entries:
            if history is not None and entry.amount != history.total and not _is_void_without_charge(entry):
                yield {"order_id": order_id, "ledger": _shown([entry]), "total": history.total}


def refunds_match(evidence: Evidence) -> Findings:
    """Every capture, decline and refund that checkout published is in a ledger, with its amount and provider.

    Every refund in a ledger was published."""
    published: dict[tuple[str, str], Counter[tuple[str, int]]] = {}
    for event in evidence.events_named(*ENTRY_OF_EVENT):
        body, counts = event.body, published.setdefault((event.subject, ENTRY_OF_EVENT[event.name]), Counter())
        amount = body["amount"]["amount"] if "amount" in body else _total(evidence, event.subject)
        counts[body["provider"], amount] += 1
    in_ledgers: dict[tuple[str, str], Counter[tuple[str, int]]] = {}
    for order_id, entries in evidence.payment_entries_by_order.items():
        for entry in entries:
            if entry.kind in ENTRY_OF_EVENT.values():
                in_ledgers.setdefault((order_id, entry.kind), Counter())[entry.provider, entry.amount] += 1
    for (order_id, kind), counts in published.items():
        if counts - in_ledgers.get((order_id, kind), Counter()):
            yield {"order_id": order_id, "kind": kind, "said": list(counts), "ledger_has_it": False}
    for (order_id, kind), entry_counts in in_ledgers.items():
        if kind == "refund" and entry_counts - published.get((order_id, kind), Counter()):
            yield {"order_id": order_id, "kind": kind, "ledger": list(entry_counts), "said": False}


def _total(evidence: Evidence, order_id: str) -> int:
    history = evidence.order_histories.get(order_id)
    return history.total if history else 0


def _is_void_without_charge(entry: PaymentEntry) -> bool:
    return entry.kind == "void" and not entry.amount


def _shown(entries: Sequence[PaymentEntry]) -> list[str]:
    return [f"{entry.provider}: {entry.kind} {entry.amount}" for entry in entries]
