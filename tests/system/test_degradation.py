"""Tests what works, waits and recovers while a part is down: the table of docs/degradation.md, row by row.

Nothing is lost: every accepted order ends correctly, with each mail and capture once.
"""

import asyncio
from collections.abc import Collection
from contextlib import AsyncExitStack

import pytest

from infra.lab.chaos import Site
from tests.system.faults import fault_during
from tests.system.http_requests import well_formed_answer
from tests.system.marketplace import Person, Visit, until

EVERY_MAIL = ["order-confirmed", "order-delivered", "shipment-dispatched"]
ALL = frozenset({"catalog", "cart", "checkout", "delivery", "notifications"})
OPEN, CLOSED = 2, 0


def readable_path(service: str, person: Person) -> str:
    """Return a path of this service that every person can read."""
    return {
        "catalog": "/products",
        "cart": f"/carts/{person.subject}",
        "checkout": "/orders",
        "delivery": f"/addresses/{person.subject}",
        "notifications": f"/contacts/{person.subject}",
    }[service]


async def serves(person: Person, services: Collection[str]) -> None:
    """Assert that each of these services answers normally."""
    for service in services:
        await person.get(service, readable_path(service, person))


async def is_unavailable(
    visit: Visit, person: Person, service: str, method: str = "GET", path: str = "", body: object = None
) -> None:
    """Assert that the service answers 503 with Retry-After."""
    answer = await well_formed_answer(
        visit, method, "gateway", path or readable_path(service, person), headers=person.headers, json=body
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
    """Assert that the order's payment was captured once. Returns the provider that captured it."""
    held = {which: await visit.ledger(f"payments/{which}", order_id) for which in ("a", "b")}
    assert sorted(kind for kinds in held.values() for kind in kinds if kind != "void") == ["capture"], held
    return next(which for which, kinds in held.items() if "capture" in kinds)


async def until_provider_a_charges(visit: Visit) -> None:
    """Buy until provider A charges: an earlier test may have opened its circuit."""
    _, product_id = await visit.product()

    async def a_charged() -> bool:
        buyer = await visit.customer()
        order_id = await buyer.check_out(product_id)
        await buyer.order(order_id, "confirmed", "delivered", within_s=60)
        return await paid_once(visit, order_id) == "a"

    await until(a_charged, 30)


async def metric(visit: Visit, service: str, line: str) -> float:
    """Return the value of one metric that a replica exposes."""
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
    async with fault_during(site, "kill", "catalog"):
        await is_unavailable(visit, customer, "catalog")
        await serves(customer, ALL - {"catalog"})
        order_id = await customer.check_out(product_id, 2)
        (line,) = (await customer.get("cart", readable_path("cart", customer)))["lines"]
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
    assert (await customer.request("PUT", "cart", item, {"quantity": 3}))[0] == 200
    async with fault_during(site, "kill", "cart"):
        await is_unavailable(visit, customer, "cart", "PUT", item, {"quantity": 4})
        await serves(customer, ALL - {"cart"})
        await customer.order(order_id, "delivered")

    async def bought_left() -> bool:
        lines = (await customer.get("cart", readable_path("cart", customer)))["lines"]
        return [(line["product_id"], line["quantity"]) for line in lines] == [(wanted, 3)]

    await until(bought_left, 20)
    await customer.order(await customer.check_out(wanted, 4), "delivered")


async def test_without_checkout_carts_are_checked_out_and_orders_are_made_when_it_returns(
    site: Site, visit: Visit, customer: Person, product_id: str
) -> None:
    async with fault_during(site, "kill", "checkout"):
        await is_unavailable(visit, customer, "checkout")
        await serves(customer, ALL - {"checkout"})
        order_ids = [await customer.check_out(product_id, quantity) for quantity in (1, 2)]
    for order_id in order_ids:
        await customer.order(order_id, "delivered")
        await paid_once(visit, order_id)


@pytest.mark.slow  # the shipping deadline has to pass
async def test_without_delivery_orders_are_confirmed_and_shown_as_delayed(
    site: Site, visit: Visit, customer: Person, product_id: str
) -> None:
    async with fault_during(site, "kill", "delivery"):
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


async def test_without_notifications_everything_continues_and_each_mail_is_sent_once(
    site: Site, visit: Visit, customer: Person, product_id: str
) -> None:
    async with fault_during(site, "kill", "notifications"):
        await is_unavailable(visit, customer, "notifications")
        await serves(customer, ALL - {"notifications"})
        order_id = await customer.check_out(product_id)
        await customer.order(order_id, "delivered")
        assert await visit.mails(order_id) == []
    await every_mail_came_once(visit, order_id)


async def test_without_the_broker_everything_over_http_continues_and_events_wait(
    site: Site, visit: Visit, customer: Person
) -> None:
    seller, product_id = await visit.product()
    async with fault_during(site, "kill", "broker"):
        order_id = await customer.check_out(product_id)
        await serves(customer, ALL)
        assert (await seller.request("POST", "catalog", f"/products/{product_id}/restock", {"quantity": 1}))[0] == 200
        contact = {"email": f"{customer.subject}@example.net"}
        assert (await customer.request("PUT", "notifications", readable_path("notifications", customer), contact))[
            0
        ] < 300
        newcomer = await visit.customer()
        later = await newcomer.check_out(product_id, 2)
    await customer.order(order_id, "delivered", within_s=60)
    await newcomer.order(later, "delivered", within_s=60)


@pytest.mark.parametrize(
    "service", ["checkout", *(pytest.param(each, marks=pytest.mark.slow) for each in sorted(ALL - {"checkout"}))]
)
async def test_without_its_database_a_service_answers_503_and_the_other_four_continue(
    site: Site, visit: Visit, customer: Person, product_id: str, service: str
) -> None:
    operator = await visit.person("operator")

    async def dead() -> int:
        return sum([(await operator.get(each, "/ops/counts"))["dead"] for each in ALL])

    async def served() -> bool:
        return (await customer.request("GET", service, readable_path(service, customer)))[0] == 200

    before = await dead()
    async with fault_during(site, "kill", f"{service}-db"):
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

    async def count_calls() -> int:
        return int((await visit.outside("GET", "/dials/payments-a/counts"))["requests"])

    async def buy_at_once() -> list[str]:
        order_ids = await asyncio.gather(*(buyer.check_out(product_id) for buyer in buyers))
        for buyer, order_id in zip(buyers, order_ids, strict=True):
            await buyer.order(order_id, "confirmed", "delivered", within_s=60)
        return [await paid_once(visit, order_id) for order_id in order_ids]

    async with fault_during(site, "errors", "payments-a", error_rate=1.0):
        async with asyncio.timeout(60):
            while (
                await metric(visit, "checkout", circuit) != OPEN
            ):  # the circuit counts the last twenty calls, also of other tests
                assert set(await buy_at_once()) == {"b"}
    await asyncio.sleep(5.5)  # a circuit becomes half-open by time alone
    before = await count_calls()
    async with fault_during(
        site, "slow", "payments-a", latency_ms=4000
    ):  # a slow probe, for which other calls do not wait
        assert sorted(await buy_at_once()) == ["a", *"bbbbb"]
    assert await count_calls() == before + 1
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
async def test_a_charge_in_doubt_is_repeated_under_its_key_and_captured_once(
    site: Site, visit: Visit, customer: Person, product_id: str, kind: str, options: dict[str, float]
) -> None:
    await until_provider_a_charges(visit)
    async with fault_during(site, kind, "payments-a", **options):
        order_id = await customer.check_out(product_id)

        async def in_doubt() -> bool:
            status, order = await customer.request("GET", "checkout", f"/orders/{order_id}")
            is_asked = status == 200 and order["payment"] == "asked"
            return is_asked and bool((await customer.get("checkout", f"/orders/{order_id}/journal"))["entries"][2:])

        await until(in_doubt, 30)
        assert await visit.ledger("payments/b", order_id) == []
    await customer.order(order_id, "delivered", within_s=60)
    assert await paid_once(visit, order_id) == "a"


@pytest.mark.slow  # the payment deadline has to pass
@pytest.mark.parametrize(
    ("faults", "meanwhile"),
    [
        ({"payments-a": ("errors", "error_rate"), "payments-b": ("errors", "error_rate")}, "cancelled"),
        ({"payments-a": ("hang", "hang_rate")}, "voiding"),  # A may have charged
    ],
)
async def test_an_order_that_no_provider_charges_is_cancelled_at_the_deadline_and_its_stock_released(
    site: Site, visit: Visit, customer: Person, faults: dict[str, tuple[str, str]], meanwhile: str
) -> None:
    await until_provider_a_charges(visit)
    _, product_id = await visit.product(on_hand=5)
    async with AsyncExitStack() as suffered:
        for part, (kind, rate) in faults.items():
            await suffered.enter_async_context(fault_during(site, kind, part, **{rate: 1.0}))
        order_id = await customer.check_out(product_id, 5)
        await customer.order(order_id, meanwhile, within_s=60)
    order = await customer.order(order_id, "cancelled", within_s=60)
    assert order["reason"] in ("payment-timed-out", "reservation-expired")
    assert "capture" not in await visit.ledger("payments/a", order_id) + await visit.ledger("payments/b", order_id)

    async def on_sale_again() -> bool:
        return bool((await customer.get("catalog", f"/products/{product_id}"))["available"] == 5)

    await until(on_sale_again, 20)


@pytest.mark.slow  # the shipping deadline has to pass
async def test_without_both_carriers_booking_is_retried_until_the_deadline_then_refunded(
    site: Site, visit: Visit, customer: Person, product_id: str
) -> None:
    errors = {"error_rate": 1.0}
    async with (
        fault_during(site, "errors", "carriers-a", **errors),
        fault_during(site, "errors", "carriers-b", **errors),
    ):
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


@pytest.mark.slow  # mail is retried after up to ten seconds; test_mail.py tests a failing server
async def test_without_the_mail_server_everything_continues_and_mail_waits(
    site: Site, visit: Visit, customer: Person, product_id: str
) -> None:
    async with fault_during(site, "errors", "mail", error_rate=1.0):
        order_id = await customer.check_out(product_id)
        await customer.order(order_id, "delivered")
        await serves(customer, ALL)
        assert await visit.mails(order_id) == []
    await every_mail_came_once(visit, order_id, within_s=60)
