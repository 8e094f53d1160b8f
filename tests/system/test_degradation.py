"""What still works while a part is away, and what waits and comes back: the table of docs/degradation.md, row by row.

Nothing is lost: whatever was accepted ends as it should, each mail and capture once.
"""

import asyncio
from collections.abc import Collection
from contextlib import AsyncExitStack

import pytest

from infra.lab.chaos import Site
from tests.system.asking import well_formed_answer
from tests.system.marketplace import Person, Visit, until
from tests.system.suffering import suffering

EVERY_MAIL = ["order-confirmed", "order-delivered", "shipment-dispatched"]
ALL = frozenset({"catalog", "cart", "checkout", "delivery", "notifications"})
OPEN, CLOSED = 2, 0


def look(service: str, person: Person) -> str:
    """Something to read of this service, which is there for everybody."""
    return {
        "catalog": "/products",
        "cart": f"/carts/{person.subject}",
        "checkout": "/orders",
        "delivery": f"/addresses/{person.subject}",
        "notifications": f"/contacts/{person.subject}",
    }[service]


async def serves(person: Person, services: Collection[str]) -> None:
    """Assert that each of these services answers as ever."""
    for service in services:
        await person.get(service, look(service, person))


async def is_unavailable(
    visit: Visit, person: Person, service: str, method: str = "GET", path: str = "", body: object = None
) -> None:
    """Assert that the service says that it is away, and when to ask again."""
    answer = await well_formed_answer(
        visit, method, service, path or look(service, person), headers=person.headers, json=body
    )
    assert (answer.status, answer.slug) == (503, "unavailable")
    assert 0 < int(answer.headers["Retry-After"]) <= 60


async def every_mail_came_once(visit: Visit, order_id: str, within_s: float = 30) -> None:
    found: list[str] = []

    async def all_there() -> bool:
        nonlocal found
        found = await visit.mails(order_id)
        return len(found) >= len(EVERY_MAIL)

    await until(all_there, within_s, lambda: f"there are {found}")
    assert found == EVERY_MAIL


async def paid_once(visit: Visit, order_id: str) -> str:
    """Assert that the order's money was captured once. Returns the provider that holds it."""
    held = {which: await visit.ledger(f"payments/{which}", order_id) for which in ("a", "b")}
    assert sorted(kind for kinds in held.values() for kind in kinds if kind != "void") == ["capture"], held
    return next(which for which, kinds in held.items() if "capture" in kinds)


async def until_a_is_asked(visit: Visit) -> None:
    """Buy until provider A takes the money: a test before may have had its circuit opened."""
    _, product_id = await visit.product()

    async def by_a() -> bool:
        buyer = await visit.customer()
        order_id = await buyer.check_out(product_id)
        await buyer.order(order_id, "confirmed", "delivered", within_s=60)
        return await paid_once(visit, order_id) == "a"

    await until(by_a, 30)


async def metric(visit: Visit, service: str, line: str) -> float:
    """The value of one line of what a replica exposes."""
    ops = next(iter(visit.marketplace.state["services"][service]["ops"].values()))
    async with visit.http.get(f"{ops}/metrics") as answer:
        exposed = dict(each.rsplit(" ", 1) for each in (await answer.text()).splitlines() if each[0] != "#")
    return float(exposed[line])


async def test_without_the_catalog_carts_use_last_known_facts_and_reservations_wait(
    site: Site, visit: Visit, customer: Person, product_id: str
) -> None:
    followed = await customer.check_out(product_id)
    await customer.order(followed, "delivered")
    name = (await customer.get("catalog", f"/products/{product_id}"))["name"]
    async with suffering(site, "kill", "catalog"):
        await is_unavailable(visit, customer, "catalog")
        await serves(customer, ALL - {"catalog"})
        order_id = await customer.check_out(product_id, 2)
        (line,) = (await customer.get("cart", look("cart", customer)))["lines"]
        assert (line["name"], line["in_checkout"], line["unit_price"]["amount"]) == (name, 2, 1999)
        await customer.order(followed, "delivered")
        await customer.order(order_id, "placed")
    await customer.order(order_id, "delivered")


async def test_without_the_cart_customers_browse_and_follow_orders_and_no_cart_is_lost(
    site: Site, visit: Visit, customer: Person, product_id: str
) -> None:
    order_id = await customer.check_out(product_id)
    _, wanted = await visit.product()
    item = f"/carts/{customer.subject}/items/{wanted}"
    assert (await customer.ask("PUT", "cart", item, {"quantity": 3}))[0] == 200
    async with suffering(site, "kill", "cart"):
        await is_unavailable(visit, customer, "cart", "PUT", item, {"quantity": 4})
        await serves(customer, ALL - {"cart"})
        await customer.order(order_id, "delivered")

    async def bought_left() -> bool:
        lines = (await customer.get("cart", look("cart", customer)))["lines"]
        return [(line["product_id"], line["quantity"]) for line in lines] == [(wanted, 3)]

    await until(bought_left, 20)
    await customer.order(await customer.check_out(wanted, 4), "delivered")


async def test_without_checkout_carts_are_checked_out_and_orders_are_made_when_it_returns(
    site: Site, visit: Visit, customer: Person, product_id: str
) -> None:
    async with suffering(site, "kill", "checkout"):
        await is_unavailable(visit, customer, "checkout")
        await serves(customer, ALL - {"checkout"})
        order_ids = [await customer.check_out(product_id, quantity) for quantity in (1, 2)]
    for order_id in order_ids:
        await customer.order(order_id, "delivered")
        await paid_once(visit, order_id)


@pytest.mark.slow  # the shipping deadline has to pass
async def test_without_delivery_orders_are_confirmed_and_said_to_be_delayed(
    site: Site, visit: Visit, customer: Person, product_id: str
) -> None:
    async with suffering(site, "kill", "delivery"):
        await is_unavailable(visit, customer, "delivery")
        order_id = await customer.check_out(product_id)
        order = await customer.order(order_id, "confirmed")
        assert order["shipping_delayed"] is False
        await serves(customer, ALL - {"delivery"})

        async def delayed() -> bool:
            return bool((await customer.get("checkout", f"/orders/{order_id}"))["shipping_delayed"])

        await until(delayed, 60)
    order = await customer.order(order_id, "delivered", within_s=60)
    assert order["shipping_delayed"] is True
    parcels = await visit.ledger("carriers/a", order_id) + await visit.ledger("carriers/b", order_id)
    assert sorted(parcels) == ["booking", "delivery", "dispatch"]


async def test_without_notifications_everything_goes_on_and_each_mail_comes_once(
    site: Site, visit: Visit, customer: Person, product_id: str
) -> None:
    async with suffering(site, "kill", "notifications"):
        await is_unavailable(visit, customer, "notifications")
        await serves(customer, ALL - {"notifications"})
        order_id = await customer.check_out(product_id)
        await customer.order(order_id, "delivered")
        assert await visit.mails(order_id) == []
    await every_mail_came_once(visit, order_id)


async def test_without_the_broker_everything_over_http_goes_on_and_events_wait(
    site: Site, visit: Visit, customer: Person
) -> None:
    seller, product_id = await visit.product()
    async with suffering(site, "kill", "broker"):
        order_id = await customer.check_out(product_id)
        await serves(customer, ALL)
        assert (await seller.ask("POST", "catalog", f"/products/{product_id}/restock", {"quantity": 1}))[0] == 200
        contact = {"email": f"{customer.subject}@example.net"}
        assert (await customer.ask("PUT", "notifications", look("notifications", customer), contact))[0] < 300
        newcomer = await visit.customer()
        later = await newcomer.check_out(product_id, 2)
    await customer.order(order_id, "delivered", within_s=60)
    await newcomer.order(later, "delivered", within_s=60)


@pytest.mark.parametrize(
    "service", ["checkout", *(pytest.param(each, marks=pytest.mark.slow) for each in sorted(ALL - {"checkout"}))]
)
async def test_without_its_database_a_service_says_so_and_the_other_four_go_on(
    site: Site, visit: Visit, customer: Person, product_id: str, service: str
) -> None:
    operator = await visit.person("operator")

    async def dead() -> int:
        return sum([(await operator.get(each, "/ops/counts"))["dead"] for each in ALL])

    async def served() -> bool:
        return (await customer.ask("GET", service, look(service, customer)))[0] == 200

    before = await dead()
    async with suffering(site, "kill", f"{service}-db"):
        await is_unavailable(visit, customer, service)
        await serves(customer, ALL - {service})
        order_id = "" if service == "cart" else await customer.check_out(product_id)
    await until(served, 30)
    await customer.order(order_id or await customer.check_out(product_id), "delivered", within_s=60)
    assert await dead() == before


@pytest.mark.slow  # a circuit stays open for five seconds
async def test_a_provider_that_fails_opens_its_circuit_and_one_probe_closes_it(
    site: Site, visit: Visit, customer: Person, product_id: str
) -> None:
    circuit = 'circuit_breaker_state{name="payments-a"}'
    buyers = [await visit.customer() for _ in range(6)]

    async def asked() -> int:
        return int((await visit.outside("GET", "/dials/payments-a/counts"))["requests"])

    async def buy_at_once() -> list[str]:
        order_ids = await asyncio.gather(*(buyer.check_out(product_id) for buyer in buyers))
        for buyer, order_id in zip(buyers, order_ids, strict=True):
            await buyer.order(order_id, "confirmed", "delivered", within_s=60)
        return [await paid_once(visit, order_id) for order_id in order_ids]

    async with suffering(site, "errors", "payments-a", error_rate=1.0):
        async with asyncio.timeout(60):
            while await metric(visit, "checkout", circuit) != OPEN:  # it remembers twenty calls, also of other tests
                assert set(await buy_at_once()) == {"b"}
    await asyncio.sleep(5.5)  # time alone makes a circuit half open
    before = await asked()
    async with suffering(site, "slow", "payments-a", latency_ms=4000):  # a probe that the others do not wait for
        assert sorted(await buy_at_once()) == ["a", *"bbbbb"]
    assert await asked() == before + 1
    assert await metric(visit, "checkout", circuit) == CLOSED
    assert set(await buy_at_once()) == {"a"}


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("reset", {}),
        pytest.param("black-hole", {}, marks=pytest.mark.slow),
        pytest.param("slow", {"latency_ms": 6000}, marks=pytest.mark.slow),
        ("lost-answers", {"lost_answer_rate": 1.0}),
    ],
)
async def test_what_a_provider_may_have_charged_is_asked_again_under_its_key_and_paid_once(
    site: Site, visit: Visit, customer: Person, product_id: str, kind: str, options: dict[str, float]
) -> None:
    await until_a_is_asked(visit)
    async with suffering(site, kind, "payments-a", **options):
        order_id = await customer.check_out(product_id)

        async def in_doubt() -> bool:
            status, order = await customer.ask("GET", "checkout", f"/orders/{order_id}")
            asked = status == 200 and order["payment"] == "asked"
            return asked and bool((await customer.get("checkout", f"/orders/{order_id}/journal"))["entries"][2:])

        await until(in_doubt, 30)
        assert await visit.ledger("payments/b", order_id) == []
    await customer.order(order_id, "delivered", within_s=60)
    assert await paid_once(visit, order_id) == "a"


@pytest.mark.slow  # the payment deadline has to pass
@pytest.mark.parametrize(
    ("faults", "meanwhile"),
    [
        ({"payments-a": ("errors", "error_rate"), "payments-b": ("errors", "error_rate")}, "cancelled"),
        ({"payments-a": ("hang", "hang_rate")}, "voiding"),  # for all we know, A may have charged
    ],
)
async def test_what_no_provider_takes_is_cancelled_at_the_deadline_and_its_stock_released(
    site: Site, visit: Visit, customer: Person, faults: dict[str, tuple[str, str]], meanwhile: str
) -> None:
    await until_a_is_asked(visit)
    _, product_id = await visit.product(on_hand=5)
    async with AsyncExitStack() as suffered:
        for part, (kind, rate) in faults.items():
            await suffered.enter_async_context(suffering(site, kind, part, **{rate: 1.0}))
        order_id = await customer.check_out(product_id, 5)
        await customer.order(order_id, meanwhile, within_s=60)
    order = await customer.order(order_id, "cancelled", within_s=60)
    assert order["reason"] in ("payment-timed-out", "reservation-expired")
    assert "capture" not in await visit.ledger("payments/a", order_id) + await visit.ledger("payments/b", order_id)

    async def on_sale_again() -> bool:
        return bool((await customer.get("catalog", f"/products/{product_id}"))["available"] == 5)

    await until(on_sale_again, 20)


@pytest.mark.slow  # the shipping deadline has to pass
async def test_without_both_carriers_shipments_are_tried_until_their_deadline_then_refunded(
    site: Site, visit: Visit, customer: Person, product_id: str
) -> None:
    errors = {"error_rate": 1.0}
    async with suffering(site, "errors", "carriers-a", **errors), suffering(site, "errors", "carriers-b", **errors):
        order_id = await customer.check_out(product_id)
        await customer.order(order_id, "confirmed")
        order = await customer.order(order_id, "cancelled", within_s=90)
    assert order["reason"] == "shipping-failed"

    async def refunded() -> bool:
        return bool((await customer.get("checkout", f"/orders/{order_id}"))["payment"] == "refunded")

    await until(refunded, 30)
    assert await visit.ledger("payments/a", order_id) + await visit.ledger("payments/b", order_id) == [
        "capture",
        "refund",
    ]


@pytest.mark.slow  # mail is tried again after up to ten seconds; test_mail.py has such a server
async def test_without_the_mail_server_everything_goes_on_and_mail_waits(
    site: Site, visit: Visit, customer: Person, product_id: str
) -> None:
    async with suffering(site, "errors", "mail", error_rate=1.0):
        order_id = await customer.check_out(product_id)
        await customer.order(order_id, "delivered")
        await serves(customer, ALL)
        assert await visit.mails(order_id) == []
    await every_mail_came_once(visit, order_id, within_s=60)
