"""Somebody who shares no code with us understands everything that we say, from what we publish alone."""

import ast
import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import quote, urlsplit

import aiohttp
import pytest
from yarl import URL

from tests.system import outsider
from tests.system.marketplace import Marketplace, Visit
from tests.system.outsider import Outsider

USER, PASSWORD = "partner", "partner-secret"
PERMISSIONS = {"configure": r"^partner\.", "write": r"^partner\.", "read": r"^(partner\..*|[a-z]+\.events)$"}


@pytest.fixture
async def partner_url(visit: Visit, marketplace: Marketplace) -> AsyncIterator[str]:
    """A user with the permissions that docs/wire-format.md names; gone afterwards with its queues."""
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


async def test_an_outsider_understands_every_message_of_real_traffic(
    marketplace: Marketplace, partner_url: str, tmp_path: Path
) -> None:
    marketplace.command("docs", "--out", str(tmp_path))
    partner = Outsider(partner_url, f"{USER}.everything", tmp_path)
    await asyncio.to_thread(partner.subscribe)
    await asyncio.to_thread(
        marketplace.command, "traffic", "--rate", "6", "--duration", "3", "--seed", "7", "--profile", "buyers"
    )
    await asyncio.to_thread(partner.consume, quiet_s=1)
    assert partner.wrong == []
    assert sum(partner.seen.values()) > 100
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
