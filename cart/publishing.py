"""Translates changes of a cart into events. No other module of this service publishes."""

from collections.abc import Sequence

from cart.domain import Abandoned, Cart, CartChange, CheckedOut, CheckoutItem, total
from contracts import Money
from contracts.cart import CartAbandonedV1, CartCheckedOutV1, Line
from marketplace_runtime.database import Transaction


def publish_cart_changes(tx: Transaction, cart: Cart, changes: Sequence[CartChange]) -> None:
    """Publish an event for each change of a cart."""
    customer_id = cart.customer_id
    for change in changes:
        match change:
            case CheckedOut(order_id, items, address_id):
                tx.publish(
                    CartCheckedOutV1(
                        order_id=order_id,
                        customer_id=customer_id,
                        lines=[_line(item) for item in items],
                        total=Money.of(total(items)),
                        address_id=address_id,
                    )
                )
            case Abandoned(product_ids):
                tx.publish(CartAbandonedV1(customer_id=customer_id, product_ids=product_ids))


def _line(item: CheckoutItem) -> Line:
    return Line(product_id=item.product_id, quantity=item.quantity, unit_price=Money.of(item.unit_price))
