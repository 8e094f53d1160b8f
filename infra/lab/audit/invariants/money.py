"""Defines the invariants of money, checked against the payment providers' own ledgers."""

from collections import Counter
from collections.abc import Sequence

from infra.lab.audit.evidence import Evidence, Money
from infra.lab.audit.findings import Findings
from infra.lab.audit.order_history import Terms

ENTRY_OF_EVENT = {
    "checkout.payment-captured": "capture",
    "checkout.payment-declined": "decline",
    "checkout.payment-refunded": "refund",
}
SIGN = {"capture": 1, "refund": -1, "void": -1, "decline": 0}


def captured_is_owed(found: Evidence) -> Findings:
    """Providers hold exactly an order's total if it was confirmed and not cancelled afterwards, otherwise nothing."""
    for order_id in found.money_by_order.keys() | found.order_histories.keys():
        entries, history = found.money_by_order.get(order_id, []), found.order_histories.get(order_id)
        held = sum(SIGN[entry.kind] * entry.amount for entry in entries)
        owed = history.total if history is not None and history.kept else 0
        if held != owed:
            status = history.status if history else "unknown"
            yield {"order_id": order_id, "status": status, "held": held, "owed": owed, "ledger": _shown(entries)}


def nobody_pays_more(found: Evidence) -> Findings:
    """An order costs what its customer saw, less the price reductions in the event of its reservation; never more."""
    published = {event.subject: event.body for event in found.published("catalog.stock-reserved")}
    for order_id, history in found.order_histories.items():
        less = {
            each["product_id"]: each["price"]["amount"] for each in published.get(order_id, {}).get("lowered") or ()
        }
        lines = tuple(
            (product, units, min(less.get(product, price), price), currency)
            for product, units, price, currency in history.ordered.lines
        )
        owed = Terms(lines, sum(units * price for _, units, price, _ in lines), history.ordered.currency)
        if "stock-reserved" in history.types and history.terms != owed:
            yield {"order_id": order_id, "charged": str(history.terms), "owed": str(owed)}


def never_charged_twice(found: Evidence) -> Findings:
    """Providers never held more than an order's total, and never gave back more than they held."""
    for order_id, entries in found.money_by_order.items():
        history = found.order_histories.get(order_id)
        held, most = 0, history.total if history else 0
        for entry in entries:
            held += SIGN[entry.kind] * entry.amount
            if not 0 <= held <= most:
                yield {"order_id": order_id, "held": held, "total": most, "ledger": _shown(entries)}
                break


def one_provider_at_a_time(found: Evidence) -> Findings:
    """Two providers never held the money of an order at the same time."""
    for order_id, entries in found.money_by_order.items():
        held: Counter[str] = Counter()
        for entry in entries:
            held[entry.provider] += SIGN[entry.kind] * entry.amount
            holders = sorted(provider for provider, amount in held.items() if amount > 0)
            if len(holders) > 1:
                yield {"order_id": order_id, "held_by": holders, "ledger": _shown(entries)}
                break


def charged_in_the_orders_currency(found: Evidence) -> Findings:
    """Every ledger entry belongs to an existing order and has its currency; a void of nothing may have none."""
    for order_id, entries in found.money_by_order.items():
        history = found.order_histories.get(order_id)
        expected = history.currency if history else None
        for entry in entries:
            if expected is None or entry.currency not in (expected, *((None,) if _is_of_nothing(entry) else ())):
                yield {"order_id": order_id, "currency": entry.currency, "expected": expected}


def charged_as_a_whole(found: Evidence) -> Findings:
    """The amount of every ledger entry is the whole total of its order; the amount of a void may be 0."""
    for order_id, entries in found.money_by_order.items():
        history = found.order_histories.get(order_id)
        for entry in entries:
            if history is not None and entry.amount != history.total and not _is_of_nothing(entry):
                yield {"order_id": order_id, "ledger": _shown([entry]), "total": history.total}


def refunds_match(found: Evidence) -> Findings:
    """Every capture, decline and refund that checkout published is in a ledger, with its amount and provider.

    Every refund in a ledger was published."""
    published: dict[tuple[str, str], Counter[tuple[str, int]]] = {}
    for event in found.published(*ENTRY_OF_EVENT):
        body, counts = event.body, published.setdefault((event.subject, ENTRY_OF_EVENT[event.name]), Counter())
        amount = body["amount"]["amount"] if "amount" in body else _total(found, event.subject)
        counts[body["provider"], amount] += 1
    done: dict[tuple[str, str], Counter[tuple[str, int]]] = {}
    for order_id, entries in found.money_by_order.items():
        for entry in entries:
            if entry.kind in ENTRY_OF_EVENT.values():
                done.setdefault((order_id, entry.kind), Counter())[entry.provider, entry.amount] += 1
    for (order_id, kind), counts in published.items():
        if counts - done.get((order_id, kind), Counter()):
            yield {"order_id": order_id, "kind": kind, "said": list(counts), "ledger_has_it": False}
    for (order_id, kind), entered in done.items():
        if kind == "refund" and entered - published.get((order_id, kind), Counter()):
            yield {"order_id": order_id, "kind": kind, "ledger": list(entered), "said": False}


def _total(found: Evidence, order_id: str) -> int:
    history = found.order_histories.get(order_id)
    return history.total if history else 0


def _is_of_nothing(entry: Money) -> bool:
    return entry.kind == "void" and not entry.amount


def _shown(entries: Sequence[Money]) -> list[str]:
    return [f"{entry.provider}: {entry.kind} {entry.amount}" for entry in entries]
