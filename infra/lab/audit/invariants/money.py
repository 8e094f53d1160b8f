"""Defines the invariants of money, checked against the payment providers' own ledgers."""

from collections import Counter
from collections.abc import Sequence

from infra.lab.audit.evidence import Evidence, Money
from infra.lab.audit.findings import Findings
from infra.lab.audit.life import Terms

SAID_OF = {
    "checkout.payment-captured": "capture",
    "checkout.payment-declined": "decline",
    "checkout.payment-refunded": "refund",
}
SIGN = {"capture": 1, "refund": -1, "void": -1, "decline": 0}


def captured_is_owed(found: Evidence) -> Findings:
    """Providers hold exactly an order's total if it was confirmed and not cancelled afterwards, otherwise nothing."""
    for order_id in found.money_by_order.keys() | found.lives.keys():
        entries, life = found.money_by_order.get(order_id, []), found.lives.get(order_id)
        held = sum(SIGN[entry.kind] * entry.amount for entry in entries)
        owed = life.total if life is not None and life.kept else 0
        if held != owed:
            status = life.status if life else "unknown"
            yield {"order_id": order_id, "status": status, "held": held, "owed": owed, "ledger": _shown(entries)}


def nobody_pays_more(found: Evidence) -> Findings:
    """An order costs what its customer saw, less the price reductions in the event of its reservation; never more."""
    said = {event.subject: event.body for event in found.said("catalog.stock-reserved")}
    for order_id, life in found.lives.items():
        less = {each["product_id"]: each["price"]["amount"] for each in said.get(order_id, {}).get("lowered") or ()}
        lines = tuple(
            (product, units, min(less.get(product, price), price), currency)
            for product, units, price, currency in life.ordered.lines
        )
        owed = Terms(lines, sum(units * price for _, units, price, _ in lines), life.ordered.currency)
        if "stock-reserved" in life.types and life.terms != owed:
            yield {"order_id": order_id, "charged": str(life.terms), "owed": str(owed)}


def never_charged_twice(found: Evidence) -> Findings:
    """Providers never held more than an order's total, and never gave back more than they held."""
    for order_id, entries in found.money_by_order.items():
        life = found.lives.get(order_id)
        held, most = 0, life.total if life else 0
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
        life = found.lives.get(order_id)
        expected = life.currency if life else None
        for entry in entries:
            if expected is None or entry.currency not in (expected, *((None,) if _is_of_nothing(entry) else ())):
                yield {"order_id": order_id, "currency": entry.currency, "expected": expected}


def charged_as_a_whole(found: Evidence) -> Findings:
    """The amount of every ledger entry is the whole total of its order; the amount of a void may be 0."""
    for order_id, entries in found.money_by_order.items():
        life = found.lives.get(order_id)
        for entry in entries:
            if life is not None and entry.amount != life.total and not _is_of_nothing(entry):
                yield {"order_id": order_id, "ledger": _shown([entry]), "total": life.total}


def refunds_match(found: Evidence) -> Findings:
    """Every capture, decline and refund that checkout published is in a ledger, with its amount and provider.

    Every refund in a ledger was published."""
    said: dict[tuple[str, str], Counter[tuple[str, int]]] = {}
    for event in found.said(*SAID_OF):
        body, told = event.body, said.setdefault((event.subject, SAID_OF[event.name]), Counter())
        amount = body["amount"]["amount"] if "amount" in body else _total(found, event.subject)
        told[body["provider"], amount] += 1
    done: dict[tuple[str, str], Counter[tuple[str, int]]] = {}
    for order_id, entries in found.money_by_order.items():
        for entry in entries:
            if entry.kind in SAID_OF.values():
                done.setdefault((order_id, entry.kind), Counter())[entry.provider, entry.amount] += 1
    for (order_id, kind), told in said.items():
        if told - done.get((order_id, kind), Counter()):
            yield {"order_id": order_id, "kind": kind, "said": list(told), "ledger_has_it": False}
    for (order_id, kind), entered in done.items():
        if kind == "refund" and entered - said.get((order_id, kind), Counter()):
            yield {"order_id": order_id, "kind": kind, "ledger": list(entered), "said": False}


def _total(found: Evidence, order_id: str) -> int:
    life = found.lives.get(order_id)
    return life.total if life else 0


def _is_of_nothing(entry: Money) -> bool:
    return entry.kind == "void" and not entry.amount


def _shown(entries: Sequence[Money]) -> list[str]:
    return [f"{entry.provider}: {entry.kind} {entry.amount}" for entry in entries]
