"""Defines the invariants of stock: nothing is sold that is not there, and every unit is accounted for."""

from collections import Counter
from collections.abc import Iterable

from infra.lab.audit.evidence import Evidence
from infra.lab.audit.findings import Findings


def count_sold_units(evidence: Evidence) -> Counter[str]:
    """Return the units of each product that customers have or that are on their way to them."""
    units: Counter[str] = Counter()
    for history in evidence.order_histories.values():
        if history.stayed_confirmed:
            for product_id, quantity in history.lines:
                units[product_id] += quantity
    return units


def stock_adds_up(evidence: Evidence) -> Findings:
    """The units on hand of every product are its initial units, plus restocked units, less sold units.

    A restock whose answer was lost may or may not have happened: one of the possible sums must match.
    """
    sold = count_sold_units(evidence)
    for product_id, initial in evidence.record.initial_units.items():
        product = evidence.catalog.products.get(product_id)
        restocks = [each for each in evidence.record.restocks.values() if each.product_id == product_id]
        expected = initial + sum(each.quantity for each in restocks if each.succeeded) - sold[product_id]
        possible = possible_sums(each.quantity for each in restocks if each.succeeded is None)
        on_hand = product["on_hand"] if product else None
        if on_hand is None or on_hand - expected not in possible:
            counts = {"first": initial, "restocked": expected - initial + sold[product_id], "sold": sold[product_id]}
            yield {"product_id": product_id, **counts, "on_hand": on_hand, "perhaps_restocked": sorted(possible)}


def nothing_is_oversold(evidence: Evidence) -> Findings:
    """No product has a negative count, or more units reserved than on hand."""
    for product_id, product in evidence.catalog.products.items():
        if not 0 <= product["reserved"] <= product["on_hand"]:
            yield {"product_id": product_id, "on_hand": product["on_hand"], "reserved": product["reserved"]}


def nothing_stays_reserved(evidence: Evidence) -> Findings:
    """At rest, no units are reserved, and no reservation is open."""
    for product_id, product in evidence.catalog.products.items():
        if product["reserved"]:
            yield {"product_id": product_id, "reserved": product["reserved"]}
    for order_id, reservation in evidence.catalog.reservations.items():
        if reservation["state"] == "reserved":
            yield {"order_id": order_id, "state": "reserved"}


def reservations_follow_orders(evidence: Evidence) -> Findings:
    """The catalog took stock for exactly the orders that were confirmed and not cancelled afterwards.

    A reservation has exactly the lines of its order, and a rejected one has none."""
    answers = {
        published.subject: published.name
        for published in evidence.events_named("catalog.stock-reserved", "catalog.stock-rejected")
    }
    for order_id in evidence.order_histories.keys() | evidence.catalog.reservations.keys():
        history, reservation = evidence.order_histories.get(order_id), evidence.catalog.reservations.get(order_id)
        state = reservation["state"] if reservation else None
        kept, answer = history is not None and history.stayed_confirmed, answers.get(order_id)
        expected = "taken" if kept else "rejected" if answer == "catalog.stock-rejected" else "released"
        if state != expected:
            yield {"order_id": order_id, "status": history.status if history else "unknown", "reservation": state}
        elif history is not None and reservation is not None:
            wanted = _units(history.lines) if answer == "catalog.stock-reserved" else {}
            if reservation["lines"] != wanted:
                yield {"order_id": order_id, "ordered": wanted, "reserved": reservation["lines"]}


def _units(lines: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Return the units by product, summed if several lines name the same product."""
    wanted: Counter[str] = Counter()
    for product_id, quantity in lines:
        wanted[product_id] += quantity
    return dict(wanted)


def stock_is_answered_once(evidence: Evidence) -> Findings:
    """The catalog answered each order at most once, reserved or rejected, and released its stock at most once."""
    answers = Counter(
        event.subject for event in evidence.events_named("catalog.stock-reserved", "catalog.stock-rejected")
    )
    released = Counter(event.subject for event in evidence.events_named("catalog.stock-released"))
    for order_id in answers.keys() | released.keys():
        if answers[order_id] > 1 or released[order_id] > 1:
            yield {"order_id": order_id, "answers": answers[order_id], "releases": released[order_id]}


def carts_know_the_catalog(evidence: Evidence) -> Findings:
    """At rest, the cart's copy of every product equals that of the catalog."""
    originals, copies = evidence.catalog.products, evidence.cart.products
    for product_id in originals.keys() | copies.keys():
        original, copy = originals.get(product_id), copies.get(product_id)
        if original is None or copy is None:
            yield {"product_id": product_id, "in_catalog": original is not None, "in_cart": copy is not None}
            continue
        for name in ("version", "name", "price_amount", "price_currency", "status"):
            if original[name] != copy[name]:
                yield {"product_id": product_id, "fact": name, "catalog": original[name], "cart": copy[name]}


def bought_leaves_the_cart(evidence: Evidence) -> Findings:
    """Every checkout of a cart ended as its order did, and no cart line has units in an open checkout."""
    for order_id in evidence.order_histories.keys() | evidence.cart.checkouts.keys():
        history, checkout = evidence.order_histories.get(order_id), evidence.cart.checkouts.get(order_id)
        confirmed = history is not None and "confirmed" in history.entry_types
        expected = "confirmed" if confirmed else "cancelled" if history and history.status == "cancelled" else "open"
        state = checkout["state"] if checkout else None
        if state != expected or state == "open":
            yield {"order_id": order_id, "status": history.status if history else "unknown", "cart_says": state}
    for line in evidence.cart.lines:
        if line["in_checkout"]:
            yield {"customer": line["customer_id"], "product_id": line["product_id"], "units": line["in_checkout"]}


def possible_sums(quantities: Iterable[int]) -> set[int]:
    """Return every sum that a selection of these quantities may have."""
    found = {0}
    for quantity in quantities:
        found |= {each + quantity for each in found}
    return found
