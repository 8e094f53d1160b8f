"""Follows one order through all services, over HTTP and in the ledgers of the stand-ins."""

import pytest

from tests.system.marketplace import Visit, until

ALL_MAILS = ["order-confirmed", "order-delivered", "shipment-dispatched"]


async def test_a_shopper_gets_what_was_ordered_and_pays_once(visit: Visit) -> None:
    _, product_id = await visit.product(on_hand=10)
    customer = await visit.customer()
    order_id = await customer.check_out(product_id, quantity=3)
    order = await customer.order(order_id, "delivered")

    assert order["total"] == {"amount": 3 * 1999, "currency": "EUR"}
    assert await visit.ledger("payments/a", order_id) + await visit.ledger("payments/b", order_id) == ["capture"]
    parcels = await visit.ledger("carriers/a", order_id) + await visit.ledger("carriers/b", order_id)
    assert sorted(parcels) == ["booking", "delivery", "dispatch"]
    assert (await customer.get("delivery", f"/shipments/{order_id}"))["status"] == "delivered"

    async def stock_taken() -> bool:
        return bool((await customer.get("catalog", f"/products/{product_id}"))["available"] == 7)

    async def cart_empty() -> bool:
        return (await customer.get("cart", f"/carts/{customer.subject}"))["lines"] == []

    async def mailed() -> bool:
        return await visit.mails(order_id) == ALL_MAILS

    for condition in (stock_taken, cart_empty, mailed):
        await until(condition, 20)

    async def listed() -> bool:
        sent = (await customer.get("notifications", "/notifications"))["items"]
        return sorted(each["kind"] for each in sent) == ALL_MAILS

    await until(listed, 20)
    journal = (await customer.get("checkout", f"/orders/{order_id}/journal"))["entries"]
    assert [each["version"] for each in journal] == list(range(1, len(journal) + 1))
    assert journal[0]["type"] == "placed"
    assert {"payment-captured", "confirmed", "dispatched", "delivered"} <= {each["type"] for each in journal}


async def test_a_cancelled_order_gives_back_stock_and_money(visit: Visit) -> None:
    _, product_id = await visit.product(on_hand=10)
    customer = await visit.customer()
    for part in ("carriers-a", "carriers-b"):
        await visit.outside("PUT", f"/dials/{part}", {"error_rate": 1})
    try:
        order_id = await customer.check_out(product_id, quantity=4)
        await customer.order(order_id, "confirmed")
        assert (await customer.request("POST", "checkout", f"/orders/{order_id}/cancel", {}))[0] == 202
        order = await customer.order(order_id, "cancelled")
    finally:
        for part in ("carriers-a", "carriers-b"):
            await visit.outside("DELETE", f"/dials/{part}")
    assert order["reason"] == "customer"

    async def refunded() -> bool:
        entries = await visit.ledger("payments/a", order_id) + await visit.ledger("payments/b", order_id)
        return sorted(entries) == ["capture", "refund"]

    async def stock_back() -> bool:
        return bool((await customer.get("catalog", f"/products/{product_id}"))["available"] == 10)

    await until(refunded, 20)
    await until(stock_back, 20)
    assert "dispatch" not in await visit.ledger("carriers/a", order_id) + await visit.ledger("carriers/b", order_id)


async def test_a_declined_payment_cancels_the_order(visit: Visit) -> None:
    _, product_id = await visit.product(on_hand=5)
    customer = await visit.customer()
    await visit.outside("PUT", "/dials/payments-a", {"decline_rate": 1})
    try:
        order_id = await customer.check_out(product_id)
        order = await customer.order(order_id, "cancelled")
    finally:
        await visit.outside("DELETE", "/dials/payments-a")
    assert order["reason"] == "payment-declined"
    assert await visit.ledger("payments/b", order_id) == []


async def test_the_other_provider_charges_when_the_first_refuses(visit: Visit) -> None:
    _, product_id = await visit.product(on_hand=5)
    customer = await visit.customer()
    await visit.outside("PUT", "/dials/payments-a", {"error_rate": 1})
    try:
        order_id = await customer.check_out(product_id)
        await customer.order(order_id, "confirmed", "delivered")
    finally:
        await visit.outside("DELETE", "/dials/payments-a")
    assert await visit.ledger("payments/a", order_id) == []
    assert await visit.ledger("payments/b", order_id) == ["capture"]


async def test_a_charge_whose_answer_was_lost_is_repeated_under_its_key(visit: Visit) -> None:
    _, product_id = await visit.product(on_hand=5)
    customer = await visit.customer()
    await visit.outside("PUT", "/dials/payments-a", {"lost_answer_rate": 1})
    try:
        order_id = await customer.check_out(product_id)

        async def captured() -> bool:
            return await visit.ledger("payments/a", order_id) == ["capture"]

        await until(captured, 20)
    finally:
        await visit.outside("DELETE", "/dials/payments-a")
    await customer.order(order_id, "confirmed", "delivered")
    assert await visit.ledger("payments/a", order_id) == ["capture"]
    assert await visit.ledger("payments/b", order_id) == []


@pytest.mark.parametrize("fault", ["sold out", "new price"])
async def test_an_order_that_cannot_be_fulfilled_as_placed_is_cancelled_with_its_reason(
    visit: Visit, fault: str
) -> None:
    seller, product_id = await visit.product(on_hand=2)
    customer = await visit.customer()
    if fault == "sold out":
        order_id = await customer.check_out(product_id, quantity=3)
    else:
        put = f"/carts/{customer.subject}/items/{product_id}"
        assert (await customer.request("PUT", "cart", put, {"quantity": 1}))[0] == 200
        price = {"price": {"amount": 2999, "currency": "EUR"}}
        assert (await seller.request("POST", "catalog", f"/products/{product_id}/price", price))[0] == 200
        status, answer = await customer.request("POST", "cart", f"/carts/{customer.subject}/checkout", {})
        assert status == 202
        order_id = answer["order_id"]
    order = await customer.order(order_id, "cancelled")
    assert order["reason"] == ("stock-rejected" if fault == "sold out" else "price-changed")
    assert await visit.ledger("payments/a", order_id) == []


async def test_a_lower_current_price_is_charged(visit: Visit) -> None:
    seller, product_id = await visit.product(on_hand=2)
    customer = await visit.customer()
    cart = f"/carts/{customer.subject}"
    assert (await customer.request("PUT", "cart", f"{cart}/items/{product_id}", {"quantity": 2}))[0] == 200
    price = {"price": {"amount": 1499, "currency": "EUR"}}
    assert (await seller.request("POST", "catalog", f"/products/{product_id}/price", price))[0] == 200
    status, answer = await customer.request("POST", "cart", f"{cart}/checkout", {})
    assert status == 202
    order = await customer.order(answer["order_id"], "confirmed", "delivered")
    assert order["total"] == {"amount": 2998, "currency": "EUR"}
    assert [line["unit_price"]["amount"] for line in order["lines"]] == [1499]


@pytest.mark.slow  # the payment deadline has to pass
async def test_an_order_without_an_address_is_not_charged_and_a_mail_says_what_to_do(visit: Visit) -> None:
    _, product_id = await visit.product()
    settled, without_address = await visit.customer(), await visit.person(name="customer")
    contact = {"email": f"{without_address.subject}@example.org"}
    assert (await without_address.request("PUT", "notifications", f"/contacts/{without_address.subject}", contact))[
        0
    ] == 200
    order_id = await without_address.check_out(product_id)
    order = await without_address.order(order_id, "cancelled", within_s=60)
    assert (order["reason"], order["payment"]) == ("no-address", "none")
    assert await visit.ledger("payments/a", order_id) + await visit.ledger("payments/b", order_id) == []

    async def mail_came() -> bool:
        return await visit.mails(order_id) == ["order-cancelled"]

    async def refused() -> bool:
        status, answer = await without_address.request("POST", "cart", f"/carts/{without_address.subject}/checkout", {})
        return status == 409 and answer["type"] == "urn:problem:marketplace:address-missing"

    await until(mail_came, 20)
    await until(refused, 20)
    address = await settled.get("delivery", f"/addresses/{settled.subject}")
    assert (await without_address.request("PUT", "delivery", f"/addresses/{without_address.subject}", address))[
        0
    ] == 200

    async def accepted() -> bool:
        status, answer = await without_address.request("POST", "cart", f"/carts/{without_address.subject}/checkout", {})
        return status == 202 and bool(await without_address.order(answer["order_id"], "delivered"))

    await until(accepted, 60)


async def test_a_second_customer_cannot_see_or_touch_the_first_ones_things(visit: Visit) -> None:
    _, product_id = await visit.product()
    owner, stranger = await visit.customer(), await visit.customer()
    order_id = await owner.check_out(product_id)
    await owner.order(order_id, "delivered")
    for method, service, path in (
        ("GET", "checkout", f"/orders/{order_id}"),
        ("GET", "checkout", f"/orders/{order_id}/journal"),
        ("POST", "checkout", f"/orders/{order_id}/cancel"),
        ("GET", "delivery", f"/shipments/{order_id}"),
        ("GET", "delivery", f"/addresses/{owner.subject}"),
        ("DELETE", "delivery", f"/addresses/{owner.subject}"),
        ("GET", "cart", f"/carts/{owner.subject}"),
        ("POST", "cart", f"/carts/{owner.subject}/checkout"),
        ("GET", "notifications", f"/contacts/{owner.subject}"),
        ("DELETE", "notifications", f"/contacts/{owner.subject}"),
    ):
        status, answer = await stranger.request(method, service, path, {} if method == "POST" else None)
        assert (status, answer["status"]) == (404, 404), (method, path)


async def test_an_operator_rebuilds_the_orders_from_their_journals(visit: Visit) -> None:
    _, product_id = await visit.product()
    customer, operator = await visit.customer(), await visit.person("operator", name="operator")
    order_id = await customer.check_out(product_id)
    before = await customer.order(order_id, "delivered")
    status, answer = await operator.request("POST", "checkout", "/ops/rebuild", {})
    assert status == 200
    assert answer["rebuilt"] >= 1
    assert await customer.get("checkout", f"/orders/{order_id}") == before
