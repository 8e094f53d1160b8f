"""Defines the invariant of carts: they contain what was put into them, less what was bought."""

from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass

from infra.lab.audit.evidence import Evidence
from infra.lab.audit.findings import Findings
from infra.lab.audit.record import Wish

Place = tuple[str, str]
"""Customer and product."""


@dataclass(frozen=True, slots=True)
class Purchase:
    """Units of a product that one order takes out of a cart once it is confirmed."""

    units: int
    confirmed: bool
    began: int | None
    ended: int | None
    """Numbers of the record's lines from before the request and from after its answer; None if the answer was lost."""

    def before(self, wish: Wish) -> bool:
        """Whether the checkout was certainly done before the wish was sent."""
        return self.ended is not None and self.ended < wish.began

    def after(self, wish: Wish) -> bool:
        return wish.ended is not None and self.began is not None and self.began > wish.ended


def carts_hold_what_was_put(found: Evidence) -> Findings:
    """The carts of the record's customers contain what these put into them, less what they bought.

    If requests overlapped, or answers were lost, one of the possible sequences must match."""
    wishes: dict[Place, list[Wish]] = defaultdict(list)
    for wish in found.record.wishes.values():
        wishes[wish.customer, wish.product_id].append(wish)
    shoppers = {customer for customer, _ in wishes}
    holds = {(line["customer_id"], line["product_id"]): line["quantity"] for line in found.cart.lines}
    purchases = _purchases(found)
    for place in wishes.keys() | {place for place in holds if place[0] in shoppers}:
        possible, quantity = quantities(wishes[place], purchases[place]), holds.get(place, 0)
        if quantity not in possible:
            customer, product_id = place
            yield {"customer": customer, "product_id": product_id, "in_cart": quantity, "possible": sorted(possible)}


def quantities(wishes: Collection[Wish], purchases: Collection[Purchase]) -> set[int]:
    """Return every quantity of a product that a cart may hold in the end.

    A wish counts unless another one that certainly succeeded began after its end. A wish without an answer may take
    effect at any time.
    """
    done = [wish for wish in wishes if wish.done]
    possible = set() if done else {0}
    for wish in wishes:
        replaced = wish.ended is not None and any(other.began > wish.ended for other in done)
        if wish.done is not False and not replaced:
            possible |= _left(wish, purchases)
    return possible


def _left(wish: Wish, purchases: Collection[Purchase]) -> set[int]:
    """Return every quantity that may be left of a wish.

    Purchases that were open when the wish was done, and later ones, take their units once they are confirmed. Purchases
    that had ended by then do not count.
    """
    found = {(0, 0)}
    """Units in an open checkout when the wish was done, and units that were taken from then on."""
    for each in purchases:
        taken = each.units if each.confirmed else 0
        over, open, later = (0, 0), (each.units, taken), (0, taken)
        ways = (later,) if each.after(wish) else (over, open) if each.before(wish) else (over, open, later)
        found = {(being_bought + way[0], gone + way[1]) for being_bought, gone in found for way in ways}
    if wish.in_checkout is not None:
        found = {each for each in found if each[0] == wish.in_checkout}
    return {(wish.quantity or being_bought) - gone for being_bought, gone in found}


def _purchases(found: Evidence) -> dict[Place, list[Purchase]]:
    asks = {ask.order_id: ask for ask in found.record.asks.values() if ask.order_id is not None}
    purchases: dict[Place, list[Purchase]] = defaultdict(list)
    for order_id, life in found.lives.items():
        ask = asks.get(order_id)
        when = (ask.began, ask.ended) if ask else (None, None)
        for product_id, units in life.lines:
            purchases[life.customer, product_id].append(Purchase(units, "confirmed" in life.types, *when))
    return purchases
