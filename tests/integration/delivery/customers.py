"""Makes customers with an address, and confirmed orders of theirs."""

from uuid import UUID

from contracts import Money
from contracts.cart import Line
from contracts.checkout import OrderConfirmedV1
from marketplace_runtime.database import new_id
from tests.integration.delivery.running import Running

ADDRESS = {
    "name": "Ada Lovelace",
    "street": "12 St James's Square",
    "city": "London",
    "postal_code": "SW1Y",
    "country": "GB",
}


PRICE = Money(amount=1999, currency="EUR")


async def a_customer(world: Running) -> str:
    customer = f"c-{new_id()}"
    status, _ = await world.request("PUT", f"/addresses/{customer}", ADDRESS, by=customer)
    assert status == 200
    return customer


def confirmed(customer: str, order_id: UUID | None = None) -> OrderConfirmedV1:
    line = Line(product_id=new_id(), quantity=1, unit_price=PRICE)
    return OrderConfirmedV1(order_id=order_id or new_id(), customer_id=customer, lines=[line], total=PRICE)
