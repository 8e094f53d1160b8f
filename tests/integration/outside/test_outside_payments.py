"""A payment provider guarantees one outcome per key under faults and concurrency."""

import asyncio

import aiohttp
import pytest

from tests.integration.outside.outside_process import (
    a_key,
    charge,
    count_outcomes,
    entries_of,
    held,
    send_action,
    set_dial,
    until_outcome,
)


async def test_a_key_is_charged_once_and_repeats_get_the_same_answer(http: aiohttp.ClientSession) -> None:
    key = a_key()
    assert await charge(http, key) == (201, {"status": "captured", "key": key})
    assert await charge(http, key) == (200, {"status": "captured", "key": key})
    assert [entry["kind"] for entry in await entries_of(http, key)] == ["capture"]


async def test_a_key_with_another_body_is_refused(http: aiohttp.ClientSession) -> None:
    key = a_key()
    await charge(http, key)
    status, problem = await charge(http, key, amount=501)
    assert (status, problem["type"]) == (422, "urn:problem:payments:key-reused")
    assert held(await entries_of(http, key)) == 500


async def test_fifty_concurrent_charges_with_one_key_capture_once(http: aiohttp.ClientSession) -> None:
    key = a_key()
    answers = await asyncio.gather(*(charge(http, key) for _ in range(50)))
    assert sorted(status for status, _ in answers) == [200] * 49 + [201]
    assert held(await entries_of(http, key)) == 500


async def test_concurrent_charges_and_voids_leave_no_money_captured(http: aiohttp.ClientSession) -> None:
    for key in [a_key() for _ in range(20)]:
        tries = [charge(http, key), send_action(http, key, "void"), charge(http, key), send_action(http, key, "void")]
        answers = await asyncio.gather(*tries)
        entries = await entries_of(http, key)
        captured = any(status == 201 for status, _ in answers)
        assert held(entries) == 0
        assert captured == any(entry["kind"] == "capture" for entry in entries)
        assert (await send_action(http, key, "void"))[1] == {"status": "voided", "refunded": captured}
        assert (await charge(http, key))[1]["type"] == "urn:problem:payments:voided"


async def test_a_decline_is_final_for_its_key(http: aiohttp.ClientSession) -> None:
    key = a_key()
    await set_dial(http, "payments-a", decline_rate=1)
    assert (await charge(http, key))[0] == 402
    await set_dial(http, "payments-a")
    status, problem = await charge(http, key)
    assert (status, problem["type"]) == (402, "urn:problem:payments:declined")
    assert held(await entries_of(http, key)) == 0


async def test_a_refund_returns_the_whole_amount_once(http: aiohttp.ClientSession) -> None:
    key = a_key()
    await charge(http, key)
    assert await send_action(http, key, "refund") == (200, {"status": "refunded"})
    assert await send_action(http, key, "refund") == (200, {"status": "refunded"})
    assert await send_action(http, key, "void") == (200, {"status": "voided", "refunded": True})
    assert held(await entries_of(http, key)) == 0


async def test_a_charge_that_was_not_captured_cannot_be_refunded(http: aiohttp.ClientSession) -> None:
    key = a_key()
    assert (await send_action(http, key, "refund"))[0] == 404
    await send_action(http, key, "void")
    assert (await send_action(http, key, "refund"))[0] == 404


async def test_the_providers_have_separate_ledgers(http: aiohttp.ClientSession) -> None:
    key = a_key()
    await charge(http, key, provider="b")
    assert await entries_of(http, key) == []
    assert held(await entries_of(http, key, provider="b")) == 500


async def test_a_failing_provider_answers_not_charged_and_has_not_charged(http: aiohttp.ClientSession) -> None:
    new, known = a_key(), a_key()
    await charge(http, known)
    await set_dial(http, "payments-a", error_rate=1)
    status, problem = await charge(http, new)
    assert (status, problem["type"]) == (503, "urn:problem:payments:not-charged")
    assert await entries_of(http, new) == []
    assert (await charge(http, known))[0] == 200


async def test_no_definite_refusal_while_a_request_with_the_key_may_still_charge(http: aiohttp.ClientSession) -> None:
    key, before = a_key(), await count_outcomes(http, "payments-a", "delayed")
    await set_dial(http, "payments-a", latency_ms=400)
    slow = asyncio.create_task(charge(http, key))
    await until_outcome(http, "payments-a", "delayed", more_than=before)
    await set_dial(http, "payments-a", error_rate=1)
    assert (await charge(http, key))[1]["type"] == "urn:problem:payments:unavailable"
    assert (await slow)[0] == 201


async def test_a_charge_whose_answer_was_lost_was_captured(http: aiohttp.ClientSession) -> None:
    key = a_key()
    await set_dial(http, "payments-a", lost_answer_rate=1)
    with pytest.raises(aiohttp.ClientError):
        await charge(http, key)
    await set_dial(http, "payments-a")
    assert (await charge(http, key))[0] == 200
    assert held(await entries_of(http, key)) == 500


async def test_a_hanging_provider_does_nothing_and_never_answers(http: aiohttp.ClientSession) -> None:
    key = a_key()
    await set_dial(http, "payments-a", hang_rate=1)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(charge(http, key), 0.5)
    await set_dial(http, "payments-a")
    assert await entries_of(http, key) == []


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"order_id": "o", "amount": -1, "currency": "EUR"},
        {"order_id": "o", "amount": "1", "currency": "EUR"},
        {"order_id": "o", "amount": 2**63, "currency": "EUR"},
        {"order_id": "o", "amount": 1, "currency": "euro"},
    ],
)
async def test_bad_input_is_answered_with_a_problem(http: aiohttp.ClientSession, body: dict[str, object]) -> None:
    headers = {"Idempotency-Key": a_key()}
    async with http.post("/payments/a/charges", json=body, headers=headers) as answer:
        assert (answer.status, answer.content_type) == (422, "application/problem+json")
