"""What clients see through the gateway while a part is away: the second table of docs/degradation.md, row by row."""

import asyncio
import time
from uuid import uuid4

import aiohttp
import pytest

from infra.lab.chaos import Site
from tests.system.faults import fault_during
from tests.system.http_requests import Answer, well_formed_answer
from tests.system.marketplace import Person, Visit, until

SERVICES = ["catalog", "cart", "checkout", "notifications", "delivery"]
AT_ONCE_S = 2.0
"""Less than any timeout, and time enough on a busy machine."""


async def timed(visit: Visit, person: Person, method: str, path: str, **options: object) -> tuple[Answer, float]:
    """Send a request to the gateway. Returns the answer, and how long it took."""
    began = time.monotonic()
    timeout = aiohttp.ClientTimeout(total=20)
    answer = await well_formed_answer(
        visit, method, "gateway", path, headers=person.headers, timeout=timeout, **options
    )
    return answer, time.monotonic() - began


def paths(service: str, person: Person) -> tuple[str, tuple[str, str, object]]:
    """Return a read of the service, and a write: its method, path and body."""
    me, unknown = person.subject, uuid4()
    return {
        "catalog": ("/products", ("POST", f"/products/{unknown}/restock", {"quantity": 1})),
        "cart": (f"/carts/{me}", ("DELETE", f"/carts/{me}/items", None)),
        "checkout": ("/orders", ("POST", f"/orders/{unknown}/cancel", None)),
        "delivery": (f"/addresses/{me}", ("DELETE", f"/addresses/{me}", None)),
        "notifications": (f"/contacts/{me}", ("PUT", f"/contacts/{me}", {"email": "ada@example.org"})),
    }[service]


async def answers(visit: Visit, person: Person, service: str) -> list[tuple[Answer, float]]:
    """Read and write, at the same time. Sellers may write to the catalog, customers elsewhere."""
    read, (method, path, body) = paths(service, person)
    writer = await visit.person("seller") if service == "catalog" else person
    return list(await asyncio.gather(timed(visit, person, "GET", read), timed(visit, writer, method, path, json=body)))


async def until_served(visit: Visit, person: Person, service: str, within_s: float) -> None:
    async def served() -> bool:
        return (await timed(visit, person, "GET", paths(service, person)[0]))[0].status == 200

    await until(served, within_s)


async def test_without_the_gateway_connections_are_refused_and_its_start_is_enough(
    site: Site, visit: Visit, customer: Person
) -> None:
    async with fault_during(site, "kill", "gateway"):
        with pytest.raises(aiohttp.ClientConnectorError):
            await visit.http.get(visit.base("gateway") + "/products")
    assert (await timed(visit, customer, "GET", "/products"))[0].status == 200


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
async def test_without_any_replica_of_a_service_clients_get_503_at_once(
    site: Site, visit: Visit, customer: Person, service: str
) -> None:
    async with fault_during(site, "kill", service):
        for answer, took_s in await answers(visit, customer, service):
            assert (answer.status, answer.slug, answer.headers["Retry-After"]) == (503, "unavailable", "1")
            assert took_s < AT_ONCE_S


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
async def test_while_a_service_hangs_clients_get_504_and_soon_503_at_once(
    site: Site, visit: Visit, customer: Person, service: str
) -> None:
    async with fault_during(site, "pause", service):
        for answer, took_s in await answers(visit, customer, service):
            assert (answer.status, answer.slug) in ((504, "deadline-exceeded"), (503, "unavailable"))
            assert took_s < 16
        for answer, took_s in await answers(visit, customer, service):
            assert (answer.status, answer.slug, answer.headers["Retry-After"]) == (503, "unavailable", "1")
            assert took_s < AT_ONCE_S
    await until_served(visit, customer, service, within_s=20)


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
async def test_without_its_database_a_service_answers_503_itself_at_once(
    site: Site, visit: Visit, customer: Person, service: str
) -> None:
    async with fault_during(site, "kill", f"{service}-db"):
        for answer, took_s in await answers(visit, customer, service):
            assert (answer.status, answer.slug) == (503, "unavailable")
            assert 0 < int(answer.headers["Retry-After"]) <= 60
            assert took_s < AT_ONCE_S
    await until_served(visit, customer, service, within_s=30)


@pytest.mark.slow
@pytest.mark.parametrize("service", SERVICES)
async def test_while_its_database_hangs_a_service_answers_504_after_its_own_limit(
    site: Site, visit: Visit, customer: Person, service: str
) -> None:
    async with fault_during(site, "pause", f"{service}-db"):
        for answer, took_s in await answers(visit, customer, service):
            assert answer.status in (503, 504)
            assert took_s < 11
    await until_served(visit, customer, service, within_s=40)


@pytest.mark.slow
async def test_without_the_broker_clients_notice_nothing(site: Site, visit: Visit, customer: Person) -> None:
    _, product_id = await visit.product()
    async with fault_during(site, "kill", "broker"):
        for service in SERVICES:
            answer, took_s = await timed(visit, customer, "GET", paths(service, customer)[0])
            assert (answer.status, took_s < AT_ONCE_S) == (200, True)
        order_id = await customer.check_out(product_id)
    await customer.order(order_id, "delivered", within_s=60)
