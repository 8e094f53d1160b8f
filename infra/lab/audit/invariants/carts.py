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
    sent_line: int | None
    """Number of the record's line that was written before the checkout request; None if the record has no such line."""
    answer_line: int | None
    """Number of the line with the request's outcome; None if the record has no such line."""

    def was_answered_before(self, change: QuantityChange) -> bool:
        """Whether the checkout was certainly answered before the change was sent."""
        return self.answer_line is not None and self.answer_line < change.sent_line

    def was_sent_after(self, change: QuantityChange) -> bool:
        """Whether the checkout was certainly sent after the change was answered."""
        return change.answer_line is not None and self.sent_line is not None and self.sent_line > change.answer_line


def carts_hold_what_was_put(evidence: Evidence) -> Findings:
    """The carts of the record's customers contain what those customers put into them, less what they bought.

    If requests overlapped, or answers were lost, one of the possible sequences must match."""
    quantity_changes: dict[LineKey, list[QuantityChange]] = defaultdict(list)
    for change in evidence.record.quantity_changes.values():
        quantity_changes[change.customer, change.product_id].append(change)
    shoppers = {customer for customer, _ in quantity_changes}
    holds = {(line["customer_id"], line["product_id"]): line["quantity"] for line in evidence.cart.lines}
    purchases = _purchases(evidence)
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

    A change has no effect on the result if a later one, sent after its answer, certainly succeeded. A change without an
    answer may take effect at any time.
    """
    succeeded = [change for change in quantity_changes if change.succeeded]
    possible = set() if succeeded else {0}
    for change in quantity_changes:
        replaced = change.answer_line is not None and any(other.sent_line > change.answer_line for other in succeeded)
        if change.succeeded is not False and not replaced:
            possible |= _remaining_quantities(change, purchases)
    return possible


def _remaining_quantities(change: QuantityChange, purchases: Collection[Purchase]) -> set[int]:
    """Return every quantity of the product that may be left in the cart after a change.

    A purchase that was in progress at the time of the change, or began later, takes its units once it is confirmed. One
    that had ended before the change takes nothing. If the order of the two is unknown, all possibilities count.
    """
    possible = {(0, 0)}
    """Pairs: units in an open checkout at the time of the change, and units that were taken afterwards."""
    for each in purchases:
        taken = each.units if each.confirmed else 0
        ended, in_progress, later = (0, 0), (each.units, taken), (0, taken)
        cases = (
            (later,)
            if each.was_sent_after(change)
            else (ended, in_progress)
            if each.was_answered_before(change)
            else (ended, in_progress, later)
        )
        possible = {
            (in_checkout + case[0], taken_later + case[1]) for in_checkout, taken_later in possible for case in cases
        }
    if change.in_checkout is not None:  # the answer to the change said how many units were in an open checkout
        possible = {each for each in possible if each[0] == change.in_checkout}
    # A change sets the total, which includes the units in an open checkout. A change to 0 removes all but those.
    return {(change.quantity or in_checkout) - taken_later for in_checkout, taken_later in possible}


def _purchases(evidence: Evidence) -> dict[LineKey, list[Purchase]]:
    checkout_requests = {
        request.order_id: request
        for request in evidence.record.checkout_requests.values()
        if request.order_id is not None
    }
    purchases: dict[LineKey, list[Purchase]] = defaultdict(list)
    for order_id, history in evidence.order_histories.items():
        request = checkout_requests.get(order_id)
        line_numbers = (request.sent_line, request.answer_line) if request else (None, None)
        for product_id, units in history.lines:
            purchases[history.customer, product_id].append(
                Purchase(units, "confirmed" in history.entry_types, *line_numbers)
            )
    return purchases
