"""Tests the gateway against real payment providers that fail, hang and lose answers."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID

import aiohttp
import pytest

from checkout import gateways
from checkout.gateways import (
    Captured,
    Charge,
    Clients,
    Closed,
    Declined,
    NotCharged,
    NotSent,
    OutcomeUnknown,
    Refund,
    Refunded,
    ServerError,
    Void,
)
from marketplace_runtime.database import new_id
from marketplace_runtime.resilience import CallPostponed
from tests.integration.outside.outside_process import OutsideProcess, entries_of, free_port, held, set_dial


@pytest.fixture
async def outside(providers: OutsideProcess, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Clients]:
    """Provide the gateways; provider B is unreachable."""
    monkeypatch.setenv("PAYMENT_A_URL", f"{providers.url}/payments/a")
    monkeypatch.setenv("PAYMENT_B_URL", f"http://127.0.0.1:{free_port()}/payments/b")
    monkeypatch.setenv("PAYMENT_TIMEOUT_S", "0.5")
    async with gateways.connect() as outside:
        yield outside


def a_charge(order_id: UUID | None = None, *, provider: str = "a", asked_before: bool = False) -> Charge:
    return Charge(order_id or new_id(), provider, 500, "EUR", request_number=3, asked_before=asked_before)


async def ledger(http: aiohttp.ClientSession, request: Charge) -> list[dict[str, Any]]:
    return await entries_of(http, f"{request.order_id}:{request.provider}")


async def test_a_charge_that_is_requested_twice_is_captured_once(http: aiohttp.ClientSession, outside: Clients) -> None:
    charge = a_charge()
    assert [await gateways.charge_or_void(charge, outside) for _ in range(2)] == [Captured("a"), Captured("a")]
    assert held(await ledger(http, charge)) == 500


async def test_a_charge_whose_answer_was_lost_is_requested_again(http: aiohttp.ClientSession, outside: Clients) -> None:
    charge = a_charge()
    await set_dial(http, "payments-a", lost_answer_rate=1)
    with pytest.raises(OutcomeUnknown):
        await gateways.charge_or_void(charge, outside)
    await set_dial(http, "payments-a")
    assert await gateways.charge_or_void(charge, outside) == Captured("a")
    assert held(await ledger(http, charge)) == 500


async def test_a_decline_is_final(http: aiohttp.ClientSession, outside: Clients) -> None:
    charge = a_charge()
    await set_dial(http, "payments-a", decline_rate=1)
    assert await gateways.charge_or_void(charge, outside) == Declined("a")
    await set_dial(http, "payments-a")
    assert await gateways.charge_or_void(charge, outside) == Declined("a")


async def test_a_definite_refusal_is_an_answer(http: aiohttp.ClientSession, outside: Clients) -> None:
    await set_dial(http, "payments-a", error_rate=1)
    assert await gateways.charge_or_void(a_charge(), outside) == NotCharged("a", request_number=3)


async def test_a_provider_that_answers_429_did_not_charge_and_gets_no_requests_for_a_while(
    http: aiohttp.ClientSession, outside: Clients
) -> None:
    await set_dial(http, "payments-a", throttle_rate=1, retry_after_s=60)
    assert await gateways.charge_or_void(first := a_charge(), outside) == NotCharged("a", request_number=3)
    await set_dial(http, "payments-a")
    assert await gateways.charge_or_void(second := a_charge(), outside) == NotCharged(
        "a", request_number=3
    )  # no request was sent
    assert await ledger(http, first) == await ledger(http, second) == []


async def test_a_charge_that_may_exist_stays_with_a_provider_that_answers_429(
    http: aiohttp.ClientSession, outside: Clients
) -> None:
    await set_dial(http, "payments-a", throttle_rate=1, retry_after_s=1)
    with pytest.raises(CallPostponed) as left:
        await gateways.charge_or_void(charge := a_charge(asked_before=True), outside)
    assert left.value.retry_after_s == 1
    await set_dial(http, "payments-a")
    async with asyncio.timeout(10):
        while True:
            try:
                answer = await gateways.charge_or_void(charge, outside)
            except CallPostponed as postponed:
                await asyncio.sleep(postponed.retry_after_s)
            else:
                break
    assert answer == Captured("a")


async def test_a_call_to_a_provider_that_hangs_times_out(http: aiohttp.ClientSession, outside: Clients) -> None:
    await set_dial(http, "payments-a", hang_rate=1)
    with pytest.raises(OutcomeUnknown):
        await gateways.charge_or_void(a_charge(), outside)


async def test_an_unreachable_provider_did_not_charge(outside: Clients) -> None:
    assert await gateways.charge_or_void(a_charge(provider="b"), outside) == NotCharged("b", request_number=3)


async def test_an_unreachable_provider_may_have_charged_if_it_was_called_before(outside: Clients) -> None:
    with pytest.raises(NotSent):
        await gateways.charge_or_void(a_charge(provider="b", asked_before=True), outside)


@pytest.mark.parametrize("captured", [False, True])
async def test_a_void_refunds_what_was_captured_and_closes_the_key(
    http: aiohttp.ClientSession, outside: Clients, captured: bool
) -> None:
    charge = a_charge()
    if captured:
        await gateways.charge_or_void(charge, outside)
    for _ in range(2):
        assert await gateways.charge_or_void(Void(charge.order_id, "a"), outside) == Closed("a", refunded=captured)
    assert await gateways.charge_or_void(charge, outside) == Closed("a", refunded=None)
    assert held(await ledger(http, charge)) == 0


async def test_a_void_counts_only_once_the_provider_confirmed_it(http: aiohttp.ClientSession, outside: Clients) -> None:
    await set_dial(http, "payments-a", error_rate=1)
    with pytest.raises(ServerError):
        await gateways.charge_or_void(Void(new_id(), "a"), outside)


async def test_a_refund_is_made_once(http: aiohttp.ClientSession, outside: Clients) -> None:
    charge = a_charge()
    await gateways.charge_or_void(charge, outside)
    for _ in range(2):
        assert await gateways.refund(Refund(charge.order_id, "a"), outside) == Refunded("a")
    assert held(await ledger(http, charge)) == 0
