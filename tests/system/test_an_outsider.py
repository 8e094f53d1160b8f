"""A consumer without our code understands every message from the published documents alone."""

import ast
import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
from yarl import URL

from contracts.registry import EVENTS
from infra.lab.docs import read_wiring
from infra.lab.docs.asyncapi import asyncapi_document
from infra.lab.docs.build import write_specifications
from infra.stack import CHECKOUT
from tests.system import outsider
from tests.system.marketplace import Marketplace, Visit
from tests.system.outsider import Outsider

USER, PASSWORD = "partner", "partner-secret"
PERMISSIONS = {"configure": r"^partner\.", "write": r"^partner\.", "read": r"^(partner\..*|[a-z]+\.events)$"}


@pytest.fixture
async def partner_url(visit: Visit, marketplace: Marketplace) -> AsyncIterator[str]:
    """Create a user with the permissions in docs/wire-format.md; delete it and its queues afterwards."""
    broker = marketplace.state["broker"]
    there = urlsplit(broker["amqp"])

    def api(path: str) -> URL:
        return URL(f"{broker['management']}/api/{path}", encoded=True)

    async with aiohttp.ClientSession() as http:
        for path, body in [
            (f"users/{USER}", {"password": PASSWORD, "tags": ""}),
            (f"permissions/%2F/{USER}", PERMISSIONS),
        ]:
            async with http.put(api(path), json=body) as answer:
                assert answer.ok, await answer.text()
        yield f"amqp://{USER}:{quote(PASSWORD)}@{there.hostname}:{there.port}/%2F"
        for path in (f"queues/%2F/{USER}.everything", f"users/{USER}"):
            async with http.delete(api(path)) as answer:
                assert answer.ok, await answer.text()


@pytest.fixture
async def partner(partner_url: str, tmp_path: Path) -> Outsider:
    """Create an outside consumer with our specifications and a queue for all events."""
    services = await asyncio.to_thread(read_wiring, CHECKOUT)
    write_specifications(EVENTS, asyncapi_document(EVENTS, services, "1.0.0"), {}, tmp_path)
    partner = Outsider(partner_url, f"{USER}.everything", tmp_path)
    await asyncio.to_thread(partner.subscribe)
    return partner


async def test_an_outsider_understands_every_message_about_an_order(visit: Visit, partner: Outsider) -> None:
    _, product_id = await visit.product()
    customers = [await visit.customer() for _ in range(5)]
    orders = await asyncio.gather(*(each.check_out(product_id) for each in customers))
    await asyncio.gather(
        *(each.order(order, "delivered") for each, order in zip(customers, orders, strict=True)),
    )
    await require_all_understood(partner, at_least=60)


@pytest.mark.slow
async def test_an_outsider_understands_every_message_of_real_traffic(
    marketplace: Marketplace, partner: Outsider
) -> None:
    shopping = ("--rate", "6", "--duration", "5", "--seed", "7", "--profile", "buyers")
    await asyncio.to_thread(marketplace.command, "traffic", *shopping)
    await require_all_understood(partner, at_least=100)


async def require_all_understood(partner: Outsider, *, at_least: int) -> None:
    """Assert that every message was as documented, and that each type of an order's life occurred."""
    await asyncio.to_thread(partner.consume, quiet_s=2)
    assert partner.wrong == []
    assert sum(partner.seen.values()) > at_least
    assert {
        "catalog.product-listed.v1",
        "cart.cart-checked-out.v1",
        "checkout.order-placed.v1",
        "catalog.stock-reserved.v1",
        "checkout.payment-captured.v1",
        "checkout.order-confirmed.v1",
        "delivery.shipment-dispatched.v1",
        "delivery.shipment-delivered.v1",
        "notifications.notification-sent.v1",
    } <= partner.seen.keys()


def test_the_outsider_shares_no_code_with_us() -> None:
    tree = ast.parse(Path(outsider.__file__).read_text())
    imported = {
        (each.module or "") if isinstance(each, ast.ImportFrom) else each.names[0].name
        for each in ast.walk(tree)
        if isinstance(each, ast.Import | ast.ImportFrom)
    }
    ours = {"contracts", "infra", "tests", "catalog", "cart", "checkout", "delivery", "notifications"}
    assert not {each.partition(".")[0] for each in imported} & ours
