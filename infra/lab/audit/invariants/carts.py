"""Defines the invariant of carts: they contain what was put into them, less what was bought."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from infra.lab.audit.evidence import Evidence
from infra.lab.audit.findings import Findings
from infra.lab.audit.record import QuantityChange

LineKey = tuple[str, str]
"""Customer and product."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """Units of a product that one order takes out of a cart once it is confirmed."""

    units: int
    confirmed: bool
    began: int | None
    ended: int | None
    """Numbers of the record's lines from before the request and from after its answer; None if the answer was lost."""

    def before(self, change: QuantityChange) -> bool:
        """Whether the checkout was certainly done before the change was sent."""
        return self.ended is not None and self.ended < change.began

    def after(self, change: QuantityChange) -> bool:
        return change.ended is not None and self.began is not None and self.began > change.ended


def carts_hold_what_was_put(found: Evidence) -> Findings:
    """The carts of the record's customers contain what these put into them, less what they bought.

    If requests overlapped, or answers were lost, one of the possible sequences must match."""
    quantity_changes: dict[LineKey, list[QuantityChange]] = defaultdict(list)
    for change in found.record.quantity_changes.values():
        quantity_changes[change.customer, change.product_id].append(change)
    shoppers = {customer for customer, _ in quantity_changes}
    holds = {(line["customer_id"], line["product_id"]): line["quantity"] for line in found.cart.lines}
    purchases = _purchases(found)
    for line_key in quantity_changes.keys() | {line_key for line_key in holds if line_key[0] in shoppers}:
        possible, quantity = (
            possible_quantities(quantity_changes[line_key], purchases[line_key]),
            holds.get(line_key, 0),
        )
        if quantity not in possible:
            customer, product_id = line_key
            yield {"customer": customer, "product_id": product_id, "in_cart": quantity, "possible": sorted(possible)}


def possible_quantities(quantity_changes: Collection[QuantityChange], purchases: Collection[Purchase]) -> set[int]:
    """Return every quantity of a product that a cart may hold in the end.

    A change counts unless another one that certainly succeeded began after its end. A change without an answer may take
    effect at any time.
    """
    done = [change for change in quantity_changes if change.done]
    possible = set() if done else {0}
    for change in quantity_changes:
        replaced = change.ended is not None and any(other.began > change.ended for other in done)
        if change.done is not False and not replaced:
            possible |= _remaining_quantities(change, purchases)
    return possible


def _remaining_quantities(change: QuantityChange, purchases: Collection[Purchase]) -> set[int]:
    """Return every quantity that may be left of a change.

    Purchases that were open at the change, and later ones, take their units once they are confirmed. Purchases
    that had ended by then do not count.
    """
    found = {(0, 0)}
    """Units in an open checkout when the change was done, and units that were taken from then on."""
    for each in purchases:
        taken = each.units if each.confirmed else 0
        over, open, later = (0, 0), (each.units, taken), (0, taken)
        ways = (later,) if each.after(change) else (over, open) if each.before(change) else (over, open, later)
        found = {(being_bought + way[0], gone + way[1]) for being_bought, gone in found for way in ways}
    if change.in_checkout is not None:
        found = {each for each in found if each[0] == change.in_checkout}
    return {(change.quantity or being_bought) - gone for being_bought, gone in found}


def _purchases(found: Evidence) -> dict[LineKey, list[Purchase]]:
    checkout_requests = {
        request.order_id: request for request in found.record.checkout_requests.values() if request.order_id is not None
    }
    purchases: dict[LineKey, list[Purchase]] = defaultdict(list)
    for order_id, history in found.order_histories.items():
        request = checkout_requests.get(order_id)
        when = (request.began, request.ended) if request else (None, None)
        for product_id, units in history.lines:
            purchases[history.customer, product_id].append(Purchase(units, "confirmed" in history.types, *when))
    return purchases
