"""HTTP API for a customer's own cart."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict

from cart import handlers, store
from cart.domain import Cart, Line, NoAddress, ProductCopy, Refused, UnknownProduct, total
from cart.settings import settings
from contracts import Money, Quantity
from contracts.catalog import ProductStatus
from marketplace_runtime.database import Transaction
from marketplace_runtime.http import Caller, Conflict, NotFound, PersonPath, Router, Tx, require_owner, shed_last

router = Router(tags=["carts"])


class ItemQuantity(BaseModel):
    """The total quantity of a product that the customer wants, including units that are being bought."""

    model_config = ConfigDict(extra="forbid", strict=True)

    quantity: Quantity


class LineOut(BaseModel):
    product_id: UUID
    name: str
    status: ProductStatus
    quantity: int
    in_checkout: int
    """Units of `quantity` in an open order. They leave the cart when the order is confirmed."""
    unit_price: Money
    """The price that the customer saw. They never pay more. PUT the item again to accept the current price."""
    new_price: Money | None
    """The current price, if it differs. A lower one is paid instead. With a higher one, the order is rejected."""


class CartOut(BaseModel):
    customer_id: str
    lines: list[LineOut]
    total: Money | None
    """Price of everything in the cart. None if it is empty."""


class Accepted(BaseModel):
    order_id: UUID


class AddressMissing(Conflict):
    slug, title = "address-missing", "There is no address to bring the order to"


@router.get("/carts/{customer}")
async def get_cart(customer: PersonPath, caller: Caller, tx: Tx) -> CartOut:
    """Return the caller's own cart."""
    require_owner(caller, customer)
    return await _to_response(await tx.peek(Cart, customer), customer, tx)


@router.put("/carts/{customer}/items/{product_id}")
async def put_item(customer: PersonPath, product_id: UUID, body: ItemQuantity, caller: Caller, tx: Tx) -> CartOut:
    """Set the total quantity of a product in the cart, at its current price."""
    require_owner(caller, customer)
    with translate_refusals():
        cart = await handlers.put_item(tx, customer, product_id, body.quantity)
    return await _to_response(cart, customer, tx)


@router.delete("/carts/{customer}/items/{product_id}", status_code=204)
async def delete_item(customer: PersonPath, product_id: UUID, caller: Caller, tx: Tx) -> None:
    """Remove a product from the cart, except units that are being bought. Succeeds also if it was not in the cart."""
    require_owner(caller, customer)
    await handlers.remove_item(tx, customer, product_id)


@router.delete("/carts/{customer}/items", status_code=204)
async def delete_items(customer: PersonPath, caller: Caller, tx: Tx) -> None:
    """Remove everything from the cart, except units that are being bought."""
    require_owner(caller, customer)
    await handlers.remove_all_items(tx, customer)


@router.post("/carts/{customer}/checkout", status_code=202)
@shed_last
async def check_out(customer: PersonPath, caller: Caller, tx: Tx, response: Response) -> Accepted:
    """Buy what is in the cart. The order is accepted now and decided later.

    Refused if the customer is known to have no address. If that is not known, the order waits for an address.

    The order can be read at `Location` in a moment. Until checkout has received it, that answers 404.
    """
    require_owner(caller, customer)
    with translate_refusals():
        order_id = await handlers.check_out(tx, customer)
    if checkout := settings().checkout_public_url:
        response.headers["Location"] = f"{checkout.rstrip('/')}/orders/{order_id}"
    return Accepted(order_id=order_id)


@contextmanager
def translate_refusals() -> Iterator[None]:
    """Translate `UnknownProduct` into 404 and any other `Refused` into 409 with the products concerned."""
    try:
        yield
    except UnknownProduct as refusal:
        raise NotFound(str(refusal)) from refusal
    except NoAddress as refusal:
        raise AddressMissing(str(refusal)) from refusal
    except Refused as refusal:
        about = [str(product_id) for product_id in refusal.product_ids]
        raise Conflict(str(refusal), product_ids=about) from refusal


async def _to_response(cart: Cart | None, customer: str, tx: Transaction) -> CartOut:
    lines = sorted(cart.lines.values(), key=lambda line: line.product_id) if cart else []
    known = await store.products_of(tx, [line.product_id for line in lines])
    return CartOut(
        customer_id=customer,
        lines=[_line(line, known[line.product_id]) for line in lines],
        total=Money.of(total(lines)) if lines else None,
    )


def _line(line: Line, product: ProductCopy) -> LineOut:
    return LineOut(
        product_id=line.product_id,
        name=product.name,
        status=ProductStatus(product.status),
        quantity=line.quantity,
        in_checkout=line.in_checkout,
        unit_price=Money.of(line.unit_price),
        new_price=Money.of(product.price) if product.price != line.unit_price else None,
    )
