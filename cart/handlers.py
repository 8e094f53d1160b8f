"""Use cases of the cart. Each loads its objects, applies the rules and publishes the changes."""

from datetime import timedelta
from uuid import UUID

from cart import store
from cart.domain import Cart, Checkout, KnownAddress, NoAddress, Price, ProductCopy, Status, UnknownProduct
from cart.publishing import publish_cart_changes
from cart.settings import settings
from contracts.cart import AbandonmentDueV1, CartAbandonedV1, CartCheckedOutV1
from contracts.checkout import OrderCancelledV1, OrderConfirmedV1
from contracts.delivery import AddressRecordedV1
from marketplace_runtime.database import Transaction, publishes

NO_DELAY = timedelta(0)
LOST_DEADLINE_GRACE_PERIOD = timedelta(seconds=10)
"""Time to wait before checking whether an abandonment deadline was lost.

A sweep counts it from the time at which the deadline was due. A request counts it from the previous use of the cart. So
if requests come in quick succession, only the first of them checks this.
"""


@publishes()
async def put_item(tx: Transaction, customer_id: str, product_id: UUID, quantity: int) -> Cart:
    """Set the total quantity of a product in the cart, at its current price. Raises `Refused`."""
    product = await tx.peek(ProductCopy, product_id)
    if product is None:
        raise UnknownProduct(product_id)
    cart = await store.cart_of(tx, customer_id)
    cart.put(product, quantity)
    await _touch(cart, tx)
    return cart


@publishes()
async def remove_item(tx: Transaction, customer_id: str, product_id: UUID) -> None:
    """Remove a product from the cart, except units in open orders."""
    cart = await tx.get(Cart, customer_id)
    if cart is not None:
        cart.remove(product_id)
        await _touch(cart, tx)


@publishes()
async def remove_all_items(tx: Transaction, customer_id: str) -> None:
    """Remove everything from the cart at the customer's request, except units in open orders."""
    cart = await tx.get(Cart, customer_id)
    if cart is not None:
        cart.empty()
        await _touch(cart, tx)


@publishes(CartCheckedOutV1)
async def check_out(tx: Transaction, customer_id: str) -> UUID:
    """Order what is in the cart, and return the order's id. Raises `Refused`."""
    cart = await store.cart_of(tx, customer_id)
    known = await store.products_of(tx, [line.product_id for line in cart.not_in_checkout])
    discontinued = {product.product_id for product in known.values() if product.status == Status.DISCONTINUED}
    address = await tx.peek(KnownAddress, customer_id)
    if address is not None and address.address_id is None:
        raise NoAddress
    checkout, changes = cart.check_out(tx.new_id(), discontinued, address.address_id if address else None)
    tx.add(checkout)
    await _touch(cart, tx)
    publish_cart_changes(tx, cart, changes)
    return checkout.order_id


@publishes()
async def copy_facts(event: store.ProductEvent, tx: Transaction) -> None:
    """Keep the newest facts of a product, in whatever order its events arrive."""
    facts = event.facts
    price, status = Price(*facts.price.parts), Status(facts.status)
    product = await tx.get(ProductCopy, event.product_id)
    if product is None:
        tx.add(ProductCopy(event.product_id, facts.name, price, status, facts.version))
    else:
        product.update_if_newer(facts.name, price, status, facts.version)


@publishes()
async def copy_address(event: store.AddressEvent, tx: Transaction) -> None:
    """Keep the id of the customer's newest address, or that there is none, in whatever order its events arrive."""
    address = await tx.get(KnownAddress, event.customer_id)
    if address is None:
        address = KnownAddress(event.customer_id)
        tx.add(address)
    address.update_if_newer(event.address_id if isinstance(event, AddressRecordedV1) else None, event.revision)


@publishes()
async def remove_confirmed_items(event: OrderConfirmedV1, tx: Transaction) -> None:
    """Remove the units of a confirmed order from the cart."""
    checkout = await tx.get(Checkout, event.order_id)
    if checkout is not None:
        (await store.cart_of(tx, checkout.customer_id)).confirm(checkout)


@publishes()
async def return_items(event: OrderCancelledV1, tx: Transaction) -> None:
    """Make the items of a cancelled, unconfirmed order available in the cart again.

    If the order was cancelled for lack of an address, note that the customer has none, unless an address event was
    received.
    """
    if event.detail == "no-address":
        await store.note_no_address(tx, event.customer_id)
    checkout = await tx.get(Checkout, event.order_id)
    if checkout is not None:
        cart = await store.cart_of(tx, checkout.customer_id)
        if cart.cancel(checkout):
            await _touch(cart, tx)


@publishes(CartAbandonedV1)
async def check_abandonment(event: AbandonmentDueV1, tx: Transaction) -> None:
    """Publish CartAbandoned at the deadline, or schedule the deadline again if the cart was used since.

    Only products that are still on sale are published. If none is left, nothing is.
    """
    cart = await tx.get(Cart, event.customer_id)
    if cart is None or not cart.watched:  # `watched`: the cart has an abandonment deadline
        return
    time_left = cart.time_until_abandoned(tx.now, settings().abandoned_after)
    if cart.not_in_checkout and time_left.total_seconds() > 0:
        if not await tx.is_scheduled(event):  # unless a sweep took this one for lost and scheduled another
            tx.schedule(event, after=time_left)
    else:
        for abandoned in cart.abandon():
            on_sale = await _still_sold(tx, abandoned.product_ids)
            publish_cart_changes(tx, cart, abandoned.limited_to(on_sale))


@publishes()
async def find_neglected(tx: Transaction) -> int:
    """Replace lost abandonment deadlines. Returns how many."""
    carts = await store.carts_with_lost_deadline(tx, tx.now - settings().abandoned_after - LOST_DEADLINE_GRACE_PERIOD)
    for cart in carts:
        tx.schedule(AbandonmentDueV1(customer_id=cart.customer_id), after=NO_DELAY)
    return len(carts)


async def _touch(cart: Cart, tx: Transaction) -> None:
    """Record that the customer used the cart, and schedule an abandonment deadline unless there is one."""
    due = AbandonmentDueV1(customer_id=cart.customer_id)
    was_away = tx.now - cart.touched_at > LOST_DEADLINE_GRACE_PERIOD
    # `touch` returns True if the cart has no deadline and needs one. The other condition detects a lost deadline.
    if cart.touch(tx.now) or (cart.watched and was_away and not await tx.is_scheduled(due)):
        tx.schedule(due, after=settings().abandoned_after)


async def _still_sold(tx: Transaction, product_ids: list[UUID]) -> set[UUID]:
    known = await store.products_of(tx, product_ids)
    return {product.product_id for product in known.values() if product.status is Status.ON_SALE}
