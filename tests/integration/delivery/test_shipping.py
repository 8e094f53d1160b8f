"""Follows confirmed orders to delivered parcels, with carriers that fail."""

import asyncio
import sqlite3
from contextlib import closing
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts.checkout import CancellationRequestedV1, OrderConfirmedV1
from contracts.delivery import ShipmentDispatchedV1, ShipmentDispatchedV2
from contracts.upcasts import shipment_dispatched_v2
from delivery.domain import DEADLINE_TOLERANCE, Aim
from marketplace_runtime.database import new_id
from tests.integration.delivery.customers import ADDRESS, a_customer, confirmed
from tests.integration.delivery.running import Running, until


async def ledger(world: Running, order_id: UUID) -> dict[str, list[str]]:
    """Return the kinds of ledger entries that each carrier has for the order."""
    found: dict[str, list[str]] = {}
    for carrier in ("a", "b"):
        entries: list[Any] = []
        after = 0
        while True:
            page = await world.outside_json(f"/carriers/{carrier}/ledger?after={after}&limit=500")
            entries += page["entries"]
            if page["next"] is None:
                break
            after = page["next"]
        found[carrier] = [each["kind"] for each in entries if each["order_id"] == str(order_id)]
    return found


async def test_a_confirmed_order_is_booked_dispatched_and_delivered_once(world: Running):
    customer = await a_customer(world)
    order = confirmed(customer)
    event_id = await world.publish(order)
    await world.publish(order, event_id)
    published = await world.until_published(order.order_id, "shipment-delivered")
    assert published == ["shipment-scheduled", "shipment-dispatched", "shipment-delivered"]
    assert await ledger(world, order.order_id) == {"a": ["booking", "dispatch", "delivery"], "b": []}
    newest, old = await world.database.fetch(
        "select event_id, type, body from messaging.outbox where subject = $1 and type like '%.shipment-dispatched.%'"
        " order by type desc",
        str(order.order_id),
    )
    assert newest["event_id"] == old["event_id"]
    assert ShipmentDispatchedV2.model_validate_json(newest["body"]) == shipment_dispatched_v2(
        ShipmentDispatchedV1.model_validate_json(old["body"])
    )
    status, shipment = await world.request("GET", f"/shipments/{order.order_id}", by=customer)
    assert (status, shipment["status"], shipment["carrier"]) == (200, "delivered", "a")
    assert shipment["tracking_code"].startswith("A")


async def test_the_second_carrier_delivers_when_the_first_refuses(world: Running):
    await world.set_dial("carriers-a", error_rate=1)
    order = confirmed(await a_customer(world))
    await world.publish(order)
    await world.until_published(order.order_id, "shipment-delivered")
    assert await ledger(world, order.order_id) == {"a": [], "b": ["booking", "dispatch", "delivery"]}


async def test_a_booking_whose_answer_was_lost_stays_with_its_carrier(world: Running):
    await world.set_dial("carriers-a", lost_answer_rate=1)
    order = confirmed(await a_customer(world))
    await world.publish(order)
    await world.until_published(order.order_id, "shipment-delivered")
    assert await ledger(world, order.order_id) == {"a": ["booking", "dispatch", "delivery"], "b": []}


async def until_the_first_circuit_is_closed(world: Running) -> None:
    """Wait until the circuit of carrier A is closed: earlier tests may have left both circuits open."""
    customer = await a_customer(world)
    async with asyncio.timeout(30):
        while True:
            order = confirmed(customer)
            await world.publish(order)
            await world.until_published(order.order_id, "shipment-delivered", "shipment-failed")
            if (await ledger(world, order.order_id))["a"]:
                return


async def until_given_up(world: Running, order: OrderConfirmedV1) -> None:
    """Wait until the shipment's deadline has passed: it has failed, or a booking in doubt is being cancelled for good.

    Before the deadline, a booking in doubt is also cancelled to book with the other carrier.
    """

    async def given_up() -> bool:
        query = "select status, aim from shipments where order_id = $1"
        shipment = await world.database.fetchrow(query, order.order_id)
        return shipment is not None and (shipment["status"] == "failed" or shipment["aim"] == Aim.GIVE_UP)

    await until(given_up, 60)


@pytest.mark.slow  # it waits for the deadline, as the next test does
async def test_a_booking_with_a_carrier_that_hangs_is_closed_at_the_deadline_and_the_shipment_fails(world: Running):
    await until_the_first_circuit_is_closed(world)
    await world.set_dial("carriers-a", hang_rate=1)
    order = confirmed(await a_customer(world))
    await world.publish(order)
    await until_given_up(world, order)
    await world.set_dial("carriers-a")
    published = await world.until_published(order.order_id, "shipment-failed", within_s=60)
    assert published == ["shipment-scheduled", "shipment-failed"]
    booked = await ledger(world, order.order_id)
    assert "dispatch" not in booked["a"]
    assert booked["b"] == []


async def test_a_shipment_that_no_carrier_accepts_fails_at_the_deadline(world: Running):
    await world.set_dial("carriers-a", error_rate=1)
    await world.set_dial("carriers-b", error_rate=1)
    order = confirmed(await a_customer(world))
    await world.publish(order)
    await until_given_up(world, order)
    for carrier in ("carriers-a", "carriers-b"):  # a booking in progress at the deadline must be cancelled
        await world.set_dial(carrier)
    await world.until_published(order.order_id, "shipment-failed")
    booked = await ledger(world, order.order_id)
    assert not {"booking", "dispatch"} & {*booked["a"], *booked["b"]}


async def test_a_shipment_waits_for_an_address_until_the_deadline(world: Running):
    await until_the_first_circuit_is_closed(world)
    customer, homeless = f"c-{new_id()}", f"c-{new_id()}"
    order, other = confirmed(customer), confirmed(homeless)
    await world.publish(order)
    await world.publish(other)
    await world.until_published(order.order_id, "shipment-scheduled")
    await world.request("PUT", f"/addresses/{customer}", ADDRESS, by=customer)
    await world.until_published(order.order_id, "shipment-delivered")
    await world.until_published(other.order_id, "shipment-failed")
    _, shipment = await world.request("GET", f"/shipments/{other.order_id}", by=homeless)
    assert (shipment["status"], shipment["failure"]) == ("failed", "no-address")


async def test_a_cancellation_that_arrives_before_its_order_stops_the_shipment(world: Running):
    customer = await a_customer(world)
    order = confirmed(customer)
    await world.publish(CancellationRequestedV1(order_id=order.order_id, customer_id=customer))
    await world.until_published(order.order_id, "shipment-cancelled")
    await world.publish(order)
    other = confirmed(customer)
    await world.publish(other)
    await world.until_published(other.order_id, "shipment-delivered")
    assert await world.published(order.order_id) == ["shipment-cancelled"]
    assert await ledger(world, order.order_id) == {"a": [], "b": []}


async def test_a_delivered_parcel_cannot_be_cancelled(world: Running):
    customer = await a_customer(world)
    order = confirmed(customer)
    await world.publish(order)
    await world.until_published(order.order_id, "shipment-delivered")
    await world.publish(CancellationRequestedV1(order_id=order.order_id, customer_id=customer))
    published = await world.until_published(order.order_id, "cancellation-refused")
    assert "shipment-cancelled" not in published


@pytest.mark.parametrize("number_of_orders", [15, pytest.param(40, marks=pytest.mark.slow)])
async def test_a_cancellation_at_any_moment_gets_one_true_answer(world: Running, number_of_orders: int):
    """Carriers are slow, fail and lose answers; each order is cancelled at a different moment of its shipment."""
    for carrier in ("carriers-a", "carriers-b"):
        await world.set_dial(carrier, error_rate=0.2, lost_answer_rate=0.3, latency_ms=30)
    customer = await a_customer(world)
    orders = [confirmed(customer) for _ in range(number_of_orders)]

    async def place_and_cancel(number: int, order: OrderConfirmedV1) -> None:
        await world.publish(order)
        await asyncio.sleep(number * 0.02)
        await world.publish(CancellationRequestedV1(order_id=order.order_id, customer_id=customer))

    await asyncio.gather(*(place_and_cancel(number, order) for number, order in enumerate(orders)))
    for carrier in ("carriers-a", "carriers-b"):
        await world.set_dial(carrier)
    await world.until_idle()
    for order in orders:

        async def settled(order_id: UUID = order.order_id) -> bool:
            published = await world.published(order_id)
            return (
                "shipment-delivered" in published or "shipment-cancelled" in published or "shipment-failed" in published
            )

        async with asyncio.timeout(30):
            while not await settled():
                await asyncio.sleep(0.05)
        published = await world.published(order.order_id)
        left = [carrier for carrier, kinds in (await ledger(world, order.order_id)).items() if "dispatch" in kinds]
        assert len(set(published)) == len(published), published
        if "shipment-cancelled" in published:
            assert left == []
            assert published[-1] == "shipment-cancelled"
        else:
            assert len(left) == 1
            assert "cancellation-refused" in published


async def test_parcels_booked_while_delivery_was_killed_are_shipped_once(world: Running):
    customer = await a_customer(world)
    orders = [confirmed(customer) for _ in range(20)]
    await asyncio.gather(*(world.publish(order) for order in orders[:10]))
    await world.kill()
    await asyncio.gather(*(world.publish(order) for order in orders[10:]))

    async def deadlines_were_missed() -> bool:
        in_time = "select exists (select from shipments where due_at + $1 > now())"
        return not await world.database.fetchval(in_time, DEADLINE_TOLERANCE)

    await until(deadlines_were_missed)
    await world.start()
    for order in orders:
        published = await world.until_published(order.order_id, "shipment-delivered")
        assert published == ["shipment-scheduled", "shipment-dispatched", "shipment-delivered"]
        booked = await ledger(world, order.order_id)
        assert sorted(booked["a"] + booked["b"]).count("dispatch") == 1


async def lose_callbacks(world: Running, order_id: UUID) -> None:
    """Let the carrier book the parcel, then mark all its callbacks as sent."""
    with closing(sqlite3.connect(world.outside.ledger, timeout=5, isolation_level=None)) as book:

        async def lost() -> bool:
            mark_as_sent = "update parcels set state = 'delivery-told' where order_id = ? and state <> 'delivery-told'"
            return book.execute(mark_as_sent, [str(order_id)]).rowcount > 0

        await until(lost)


async def test_the_status_of_a_parcel_without_callbacks_is_requested(world: Running):
    order = confirmed(await a_customer(world))
    await world.publish(order)
    await lose_callbacks(world, order.order_id)
    published = await world.until_published(order.order_id, "shipment-delivered")
    assert published == ["shipment-scheduled", "shipment-dispatched", "shipment-delivered"]
    found = "select look_at from shipments where order_id = $1"
    assert await world.database.fetchval(found, order.order_id) is None, "no further check is scheduled"


@pytest.mark.slow  # the shipping deadline has to pass
async def test_a_shipment_whose_deadline_was_lost_still_fails_on_time(world: Running):
    order = confirmed(f"c-{new_id()}")  # a customer without an address
    await world.publish(order)
    await world.until_published(order.order_id, "shipment-scheduled")
    lost = "delete from messaging.scheduled where subject = $1 and type = 'delivery.shipping-due.v1' returning id"
    assert await world.database.fetch(lost, str(order.order_id))
    assert "shipment-failed" in await world.until_published(order.order_id, "shipment-failed")
    took = "select now() - scheduled_at from shipments where order_id = $1"
    assert await world.database.fetchval(took, order.order_id) > timedelta(seconds=6), (
        "the shipment failed before its deadline"
    )
