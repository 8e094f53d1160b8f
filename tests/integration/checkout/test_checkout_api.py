"""Tests the orders' HTTP API with real tokens and a real database."""

from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from checkout import api
from checkout.domain import Entry, Order, RejectedLine, placing, shipping
from checkout.publishing import publish_order_changes
from contracts.naming import MARKETPLACE
from marketplace_runtime.database import Database, new_id
from marketplace_runtime.http import Authenticator, create_app
from marketplace_runtime.http.server import serve
from tests.integration.catalog.web import Answer
from tests.integration.checkout.orders import LINE, NOON, TOTAL, an_order, confirmed
from tests.integration.outside.outside_process import OutsideProcess, free_port


@dataclass
class Client:
    session: aiohttp.ClientSession

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        async with self.session.request(method, path, **options) as answer:
            return Answer(answer.status, answer.headers, await answer.json(content_type=None))

    async def get(self, path: str, **options: Any) -> Answer:
        return await self.request("GET", path, **options)

    async def post(self, path: str, **options: Any) -> Answer:
        return await self.request("POST", path, **options)


@pytest.fixture
async def client(database: Database, providers: OutsideProcess) -> AsyncIterator[Client]:
    async with Authenticator(f"{providers.url}/identity", "marketplace") as authenticator:
        app = create_app(
            problem_type_prefix=MARKETPLACE.problem_type_prefix,
            service="checkout",
            version="0",
            database=database,
            routes=api.router,
            authenticator=authenticator,
        )
        port = free_port()
        async with (
            serve(app, host="127.0.0.1", http_port=port, ops_port=free_port()),
            aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
        ):
            yield Client(session)


@pytest.fixture
async def ada(http: aiohttp.ClientSession) -> dict[str, str]:
    return await token_of(http, "ada")


@pytest.fixture
async def eve(http: aiohttp.ClientSession) -> dict[str, str]:
    return await token_of(http, "eve")


async def token_of(http: aiohttp.ClientSession, subject: str) -> dict[str, str]:
    async with http.post("/identity/token", json={"sub": subject, "roles": [], "ttl_s": 600}) as answer:
        return {"Authorization": f"Bearer {(await answer.json())['access_token']}"}


async def stored(database: Database, *steps: Callable[[Order], list[Entry]]) -> UUID:
    """Build an order, apply the steps and store it. Returns its id."""
    order, journal = an_order(*steps)
    async with database.transaction() as tx:
        publish_order_changes(tx, order, journal)
    return order.order_id


async def test_a_customer_reads_their_order(client: Client, database: Database, ada: dict[str, str]) -> None:
    order_id = await stored(database)
    answer = await client.get(f"/orders/{order_id}", headers=ada)
    assert answer.status == 200
    body = answer.body
    assert body["order_id"] == str(order_id)
    assert body["total"] == {"amount": 1400, "currency": "EUR"}
    assert body["lines"] == [LINE.to_json()]
    assert (body["status"], body["reason"], body["version"], body["shipping_delayed"]) == ("placed", None, 1, False)


async def test_a_refused_order_shows_todays_price(client: Client, database: Database, ada: dict[str, str]) -> None:
    today = RejectedLine(LINE.product_id, "price-changed", 2, 5, TOTAL)
    order_id = await stored(database, lambda order: placing.reject(order, [today], NOON))
    body = (await client.get(f"/orders/{order_id}", headers=ada)).body
    assert body["reason"] == "price-changed"
    assert body["rejected_lines"] == [today.to_json()]


@pytest.mark.parametrize(("method", "path"), [("GET", ""), ("GET", "/journal"), ("POST", "/cancel")])
async def test_another_customers_order_is_not_found(
    client: Client, database: Database, eve: dict[str, str], method: str, path: str
) -> None:
    order_id = await stored(database)
    answers = [await client.request(method, f"/orders/{id}{path}", headers=eve) for id in (order_id, new_id())]
    assert [answer.status for answer in answers] == [404, 404]
    assert answers[0].body == answers[1].body
    assert answers[0].body["detail"].endswith("or it is not yours, or checkout has not received it yet.")
    assert (await client.request(method, f"/orders/{order_id}{path}")).status == 401


async def test_orders_are_listed_newest_first_in_pages(
    client: Client, database: Database, ada: dict[str, str], eve: dict[str, str]
) -> None:
    mine = [await stored(database) for _ in range(5)]
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 2}
    while True:
        page = (await client.get("/orders", params=query, headers=ada)).body
        seen += [item["order_id"] for item in page["items"]]
        if page["next_cursor"] is None:
            break
        query["cursor"] = page["next_cursor"]
    assert seen == [str(id) for id in reversed(mine)]
    assert (await client.get("/orders", headers=eve)).body == {"items": [], "next_cursor": None}
    assert (await client.get("/orders", params={"cursor": "rubbish"}, headers=ada)).status == 422


async def test_the_journal_lists_what_happened(client: Client, database: Database, ada: dict[str, str]) -> None:
    order_id = await stored(database, confirmed)
    entries = (await client.get(f"/orders/{order_id}/journal", headers=ada)).body["entries"]
    assert [(entry["version"], entry["type"]) for entry in entries] == [
        (1, "placed"),
        (2, "stock-reserved"),
        (3, "payment-asked"),
        (4, "payment-captured"),
        (5, "confirmed"),
    ]
    assert entries[3]["data"] == {"provider": "a"}


async def test_a_repeated_cancellation_is_accepted(client: Client, database: Database, ada: dict[str, str]) -> None:
    order_id = await stored(database)
    answers = [await client.post(f"/orders/{order_id}/cancel", headers=ada) for _ in range(2)]
    assert [(answer.status, answer.body["status"]) for answer in answers] == [(202, "cancelled")] * 2
    assert answers[0].body["version"] == answers[1].body["version"]


async def test_a_confirmed_order_is_cancelling_until_delivery_answers(
    client: Client, database: Database, ada: dict[str, str]
) -> None:
    order_id = await stored(database, confirmed)
    answer = await client.post(f"/orders/{order_id}/cancel", headers=ada)
    assert (answer.status, answer.body["status"]) == (202, "cancelling")


async def test_cancelling_a_dispatched_order_is_a_conflict(
    client: Client, database: Database, ada: dict[str, str]
) -> None:
    order_id = await stored(database, confirmed, lambda order: shipping.record_dispatch(order, "a", "T1", NOON))
    answer = await client.post(f"/orders/{order_id}/cancel", headers=ada)
    assert answer.status == 409
    assert answer.body["type"] == "urn:problem:marketplace:too-late-to-cancel"
    assert answer.headers["content-type"] == "application/problem+json"


async def test_cancelling_a_delivered_order_is_a_conflict_that_says_so(
    client: Client, database: Database, ada: dict[str, str]
) -> None:
    order_id = await stored(database, confirmed, lambda order: shipping.record_delivery(order, NOON))
    answer = await client.post(f"/orders/{order_id}/cancel", headers=ada)
    assert (answer.status, answer.body["type"]) == (409, "urn:problem:marketplace:too-late-to-cancel")
    assert answer.body["detail"] == "The order was delivered, so it can no longer be cancelled."
