"""Tests who may read and write addresses and shipments, and which tracking callbacks are accepted."""

import asyncio
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from standardwebhooks import Webhook

from marketplace_runtime.database import new_id
from marketplace_runtime.testing.harness import until
from tests.integration.delivery.customers import ADDRESS, a_customer, confirmed
from tests.integration.delivery.running import Running
from tests.integration.outside.outside_process import SECRET


async def test_its_owner_can_write_read_replace_and_erase_an_address(world: Running):
    customer = await a_customer(world)
    path = f"/addresses/{customer}"
    moved = ADDRESS | {"city": "Ockham"}
    assert await world.request("GET", path, by=customer) == (200, ADDRESS)
    assert await world.request("PUT", path, moved, by=customer) == (200, moved)
    assert await world.request("DELETE", path, by=customer) == (204, None)
    assert (await world.request("GET", path, by=customer))[0] == 404
    assert (await world.request("DELETE", path, by=customer))[0] == 204
    assert await world.database.fetchval("select count(*) from addresses where customer_id = $1", customer) == 0


async def test_the_address_of_another_customer_is_not_found(world: Running):
    customer = await a_customer(world)
    order = confirmed(customer)
    await world.publish(order)
    await world.until_published(order.order_id, "shipment-delivered")
    for method, path, body in (
        ("GET", f"/addresses/{customer}", None),
        ("PUT", f"/addresses/{customer}", ADDRESS),
        ("DELETE", f"/addresses/{customer}", None),
        ("GET", f"/shipments/{order.order_id}", None),
    ):
        assert (await world.request(method, path, body, by="mallory"))[0] == 404
        assert (await world.request(method, path, body))[0] == 401


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "x" * 201},
        {"street": "a\r\nb"},
        {"street": "a\x00b"},
        {"country": "Germany"},
        {"country": "XX"},
        {"country": "de"},
        {"postal_code": "'; drop table addresses; --"},
        {"city": 7},
        {"planet": "Mars"},
    ],
)
async def test_an_invalid_address_is_refused(world: Running, change: dict[str, Any]):
    status, problem = await world.request("PUT", "/addresses/ada", ADDRESS | change, by="ada")
    assert status == 422
    assert problem["type"].startswith("urn:problem:marketplace:")


@pytest.mark.parametrize(
    ("field", "text", "detail"),
    [
        ("street", "a\r\nb", "One line, without control characters."),
        ("postal_code", "1_2", "Letters, digits, spaces and hyphens only."),
        ("country", "de", "de is no country of ISO 3166-1: write DE."),
        ("country", "XX", "XX is no country of ISO 3166-1: write two capital letters, such as DE."),
    ],
)
async def test_the_error_of_an_invalid_address_is_a_sentence(world: Running, field: str, text: str, detail: str):
    _, problem = await world.request("PUT", "/addresses/ada", ADDRESS | {field: text}, by="ada")
    assert problem["errors"] == [{"pointer": f"/body/{field}", "detail": detail}]


async def test_another_customers_shipment_gets_the_answer_of_an_unknown_one(world: Running):
    customer = await a_customer(world)
    order = confirmed(customer)
    await world.publish(order)
    await world.until_published(order.order_id, "shipment-delivered")
    theirs, nothing = [
        await world.request("GET", f"/shipments/{id}", by="mallory") for id in (order.order_id, new_id())
    ]
    assert theirs == nothing
    assert theirs[1]["detail"] == "There is no shipment for this order, or not yet, or it is not yours."


def tracking(order_id: UUID, shipment_id: UUID, *, carrier: str = "a", kind: str = "dispatched") -> bytes:
    data = {"shipment_id": str(shipment_id), "order_id": str(order_id), "tracking_code": "X1", "carrier": carrier}
    now = datetime.now(UTC).isoformat()
    return json.dumps({"type": f"shipment.{kind}", "timestamp": now, "data": data}).encode()


def signed(body: bytes, *, at: datetime | None = None, secret: str = SECRET) -> dict[str, str]:
    at = at or datetime.now(UTC)
    return {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign("msg_1", at, body.decode()),
        "content-type": "application/json",
    }


async def post(world: Running, body: bytes, headers: dict[str, str], carrier: str = "a") -> int:
    """Post a carrier's callback. Returns the status; asserts that an error is a problem document."""
    async with world.http.post(f"/carriers/{carrier}/tracking", data=body, headers=headers) as answer:
        if answer.status >= 400:
            assert answer.content_type == "application/problem+json"
        return answer.status


async def test_tracking_without_a_valid_signature_is_refused(world: Running):
    body = tracking(new_id(), new_id())
    good = signed(body)
    old = signed(body, at=datetime.now(UTC) - timedelta(minutes=6))
    forged = signed(body, secret="whsec_" + "AAAA" * 8)
    for headers in (
        {},
        old,
        forged,
        good | {"webhook-id": "msg_2"},
        good | {"webhook-signature": "v1"},
        good | {"webhook-signature": "v1,%%%"},
        good | {"webhook-signature": "v2," + good["webhook-signature"][3:]},
        good | {"webhook-timestamp": "nan"},
        good | {"webhook-timestamp": "1e400"},
    ):
        assert await post(world, body, headers) == 401
    assert await post(world, body + b" ", good) == 401
    assert await post(world, b"\xff\xfe", good) == 401


async def test_tracking_of_an_unknown_shipment_asks_for_a_retry(world: Running):
    body = tracking(new_id(), new_id())
    assert await post(world, body, signed(body)) == 404


async def test_signed_nonsense_is_refused_for_what_it_is(world: Running):
    for body in (b"", b"[]", b"{}", b"not json", tracking(new_id(), new_id(), kind="eaten")):
        assert await post(world, body, signed(body)) == 422
    body = tracking(new_id(), new_id(), carrier="b")
    assert await post(world, body, signed(body), carrier="a") == 422
    assert await post(world, body, signed(body), carrier="z") == 422


async def test_tracking_by_the_wrong_carrier_changes_nothing(world: Running):
    customer = await a_customer(world)
    order = confirmed(customer)
    await world.publish(order)
    await world.until_published(order.order_id, "shipment-delivered")
    _, shipment = await world.request("GET", f"/shipments/{order.order_id}", by=customer)
    body = tracking(order.order_id, UUID(shipment["shipment_id"]), carrier="b")
    assert await post(world, body, signed(body), carrier="b") == 204
    assert await world.request("GET", f"/shipments/{order.order_id}", by=customer) == (200, shipment)


async def test_no_address_is_in_logs_events_or_the_schedule(world: Running):
    customer = await a_customer(world)
    order = confirmed(customer)
    await world.publish(order)
    await world.until_published(order.order_id, "shipment-delivered")
    assert "Lovelace" not in world.log.read_text()
    for table in ("outbox", "scheduled", "dead_letters"):
        rows = await world.database.fetch(f"select * from messaging.{table}")
        assert "Lovelace" not in str(rows)


async def address_events(world: Running, customer: str) -> list[dict[str, Any]]:
    """Return the published events of the customer's address, without the customer's id."""
    rows = await world.database.fetch(
        "select type, body from messaging.outbox where subject = $1 order by event_id", customer
    )
    published = [{"type": row["type"].split(".")[1]} | json.loads(row["body"]) for row in rows]
    assert {each.pop("customer_id") for each in published} <= {customer}
    return published


async def test_changes_and_erasure_of_an_address_are_published(world: Running):
    customer = await a_customer(world)
    path = f"/addresses/{customer}"
    for change in ({}, {"city": "Ockham"}, {"city": "Ockham"}):
        assert (await world.request("PUT", path, ADDRESS | change, by=customer))[0] == 200
    for _ in range(2):
        assert (await world.request("DELETE", path, by=customer))[0] == 204
    first, moved, gone = await address_events(world, customer)
    assert [each["type"] for each in (first, moved, gone)] == ["address-recorded", "address-recorded", "address-erased"]
    assert first["address_id"] != moved["address_id"]
    assert first["revision"] < moved["revision"] < gone["revision"]
    assert await world.database.fetchval("select count(*) from past_addresses where customer_id = $1", customer) == 0


@pytest.mark.slow
async def test_concurrent_changes_of_an_address_are_published_in_commit_order(world: Running):
    customer = f"c-{new_id()}"
    path = f"/addresses/{customer}"

    async def change(number: int) -> None:
        if number % 3:
            assert (await world.request("PUT", path, ADDRESS | {"city": f"City {number}"}, by=customer))[0] == 200
        else:
            assert (await world.request("DELETE", path, by=customer))[0] == 204

    await asyncio.gather(*(change(number) for number in range(24)))
    last = max(await address_events(world, customer), key=lambda published: published["revision"])
    now = await world.database.fetchval("select address_id from addresses where customer_id = $1", customer)
    assert last.get("address_id") == (str(now) if now else None)


async def test_an_address_stored_by_older_code_is_published_once(world: Running):
    customer = f"c-{new_id()}"
    insert = (
        "insert into addresses (customer_id, name, street, city, postal_code, country) values ($1, $2, $3, $4, $5, $6)"
    )
    await world.database.execute(insert, customer, *ADDRESS.values())
    await world.until_published(customer, "address-recorded")
    assert (await world.request("PUT", f"/addresses/{customer}", ADDRESS, by=customer))[0] == 200
    [published] = await address_events(world, customer)
    now = await world.database.fetchval("select address_id from addresses where customer_id = $1", customer)
    assert published["address_id"] == str(now)


async def test_a_replaced_address_is_deleted_once_no_parcel_needs_it(world: Running):
    customer, order_id = await a_customer(world), new_id()
    old, needed = new_id(), new_id()
    await world.database.execute(
        "insert into shipments (order_id, shipment_id, customer_id, scheduled_at, due_at, status, doubtful, refusals,"
        " closed, look_at, address_id)"
        " values ($1, $1, $2, now(), now(), 'booked', false, 0, '{}', now() + interval '1 day', $3)",
        *(order_id, customer, needed),
    )
    insert = "insert into past_addresses values ($1, $2, $3, $4, $5, $6, $7, now() - interval '31 days')"
    for address_id in (needed, old):
        await world.database.execute(insert, address_id, customer, *ADDRESS.values())
    left = "select array_agg(address_id) from past_addresses where customer_id = $1"

    async def forgotten() -> bool:
        return old not in await world.database.fetchval(left, customer)

    await until(forgotten)
    assert await world.database.fetchval(left, customer) == [needed]
    await world.database.execute("delete from shipments where order_id = $1", order_id)
