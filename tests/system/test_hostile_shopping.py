"""Hostile shoppers and sellers use valid routes with odd names, reused keys and invented prices."""

import asyncio
from uuid import uuid4

from tests.system.http_requests import token_for, well_formed_answer
from tests.system.marketplace import Visit, until

OFFER = {"name": "Lamp", "category": "home", "price": {"amount": 100, "currency": "EUR"}, "on_hand": 1}

NAMES = (
    "Robert'); drop table products; --",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "two\nlines",
    "a\r\nBcc: victim@example.org\r\n\r\nHello",
    "2026-01-01T00:00:00.000000Z [error    ] forged",
    "\x1b[31mred\x1b[0m\x07\x08",
    "%s %d %(name)s {0} {name} ${jndi:ldap://x} {{7*7}}",
    "\u202egnp.exe\u2028next\u2029line\u0085more",
    "ünïcödé 💡 \u0000"[:-1] + "e\u0301",
    "=cmd|' /C calc'!A0",
    "\\'\\\"\\n\\0",
)


async def test_names_are_kept_unchanged_and_cannot_forge_log_lines(visit: Visit) -> None:
    """Names pass unchanged from the seller through the cart to the mails, for any text that PostgreSQL can store."""
    seller = await visit.person("seller", name="seller")
    customer = await visit.customer()
    price = {"amount": 100, "currency": "EUR"}
    mark = uuid4().hex
    shown: dict[str, str] = {}
    for name in NAMES:
        full = f"{mark} {name} {mark}\n{mark} forged"
        body = {"name": full, "category": full[:64].strip(), "price": price, "on_hand": 5}
        status, answer = await seller.request("POST", "catalog", "/products", body)
        assert (status, answer["name"], answer["category"]) == (201, full, full[:64].strip())
        shown[answer["product_id"]] = full
    for product_id, full in shown.items():
        assert (await customer.get("catalog", f"/products/{product_id}"))["name"] == full
        put = f"/carts/{customer.subject}/items/{product_id}"

        async def wanted(put: str = put) -> bool:
            return (await customer.request("PUT", "cart", put, {"quantity": 1}))[0] == 200

        await until(wanted, 30)
    cart = await customer.get("cart", f"/carts/{customer.subject}")
    assert {line["product_id"]: line["name"] for line in cart["lines"]} == shown
    status, answer = await customer.request("POST", "cart", f"/carts/{customer.subject}/checkout", {})
    assert status == 202
    await customer.order(answer["order_id"], "delivered")

    async def mailed() -> bool:
        return len(await visit.mails(answer["order_id"])) == 3

    await until(mailed, 20)
    page = await visit.outside("GET", "/mail/messages?after=0&limit=1000")
    assert not any("victim" in str(each["to"]) for each in page["messages"])
    logs = visit.marketplace.home / visit.marketplace.name / "logs"
    for log in logs.iterdir():
        assert not any(line.startswith(mark.encode()) for line in log.read_bytes().split(b"\n")), log.name


async def test_a_key_reused_with_another_body_is_422_and_has_one_effect(visit: Visit) -> None:
    seller = await token_for(visit, f"seller-{uuid4().hex}", "seller")
    good, key = OFFER, {"Idempotency-Key": str(uuid4())}
    first = await well_formed_answer(visit, "POST", "catalog", "/products", token=seller, json=good, headers=key)
    again = await well_formed_answer(visit, "POST", "catalog", "/products", token=seller, json=good, headers=key)
    other = await well_formed_answer(
        visit, "POST", "catalog", "/products", token=seller, json=good | {"on_hand": 2}, headers=key
    )
    assert (first.status, again.status, again.raw) == (201, 201, first.raw)
    assert again.headers["Location"] == first.headers["Location"] == f"/products/{first.json['product_id']}"
    assert (other.status, other.slug) == (422, "idempotency-key-reused")
    rival = await token_for(visit, f"seller-{uuid4().hex}", "seller")
    theirs = await well_formed_answer(visit, "POST", "catalog", "/products", token=rival, json=good, headers=key)
    assert (theirs.status, "Idempotency-Replayed" in theirs.headers) == (201, False)


async def test_many_concurrent_copies_of_a_checkout_place_one_order(visit: Visit) -> None:
    _, product_id = await visit.product(on_hand=5)
    customer = await visit.customer()
    put = f"/carts/{customer.subject}/items/{product_id}"
    assert (await customer.request("PUT", "cart", put, {"quantity": 1}))[0] == 200
    token, key = await token_for(visit, customer.subject), {"Idempotency-Key": str(uuid4())}
    path = f"/carts/{customer.subject}/checkout"
    answers = await asyncio.gather(
        *(well_formed_answer(visit, "POST", "cart", path, token=token, headers=key) for _ in range(30))
    )
    assert {answer.status for answer in answers} <= {202, 409}
    assert {answer.slug for answer in answers if answer.status == 409} <= {"idempotency-key-in-flight"}
    orders = {answer.json["order_id"] for answer in answers if answer.status == 202}
    assert len(orders) == 1
    late = await well_formed_answer(visit, "POST", "cart", path, token=token, headers=key)
    assert (late.status, late.headers["Idempotency-Replayed"]) == (202, "true")
    await customer.order(*orders, "delivered")
    async with visit.http.get(late.headers["Location"], headers=customer.headers) as followed:
        assert (followed.status, (await followed.json())["order_id"]) == (200, late.json["order_id"])
    assert len((await customer.get("checkout", "/orders"))["items"]) == 1


async def test_a_price_invented_by_the_client_changes_nothing(visit: Visit) -> None:
    """The checkout ignores any body."""
    _, product_id = await visit.product(cents=1999)
    customer = await visit.customer()
    put = f"/carts/{customer.subject}/items/{product_id}"
    assert (await customer.request("PUT", "cart", put, {"quantity": 2}))[0] == 200
    lie = {"total": {"amount": 1, "currency": "EUR"}, "lines": [], "order_id": str(uuid4()), "status": "delivered"}
    status, answer = await customer.request("POST", "cart", f"/carts/{customer.subject}/checkout", lie)
    assert (status, answer["order_id"] == lie["order_id"]) == (202, False)
    order = await customer.order(answer["order_id"], "delivered")
    assert order["total"] == {"amount": 2 * 1999, "currency": "EUR"}
    lie = {"status": "placed", "reason": "customer"}
    assert (await customer.request("POST", "checkout", f"/orders/{answer['order_id']}/cancel", lie))[0] == 409
    assert (await customer.get("checkout", f"/orders/{answer['order_id']}"))["status"] == "delivered"
