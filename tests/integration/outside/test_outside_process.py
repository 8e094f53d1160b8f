"""The stand-ins keep everything that they answered, even if they are killed or stopped at any moment."""

import asyncio
import random
import time
from collections import Counter

import aiohttp
import jwt
import pytest

from tests.integration.outside.outside_process import (
    OutsideProcess,
    a_key,
    charge,
    count_outcomes,
    entries_of,
    held,
    send_action,
    set_dial,
    until_outcome,
)


@pytest.mark.parametrize("kills", [1, pytest.param(3, marks=pytest.mark.slow)])
async def test_a_kill_in_the_middle_of_traffic_loses_no_answer(own_outside: OutsideProcess, kills: int) -> None:
    answered: dict[str, int] = {}
    void_asked: set[str] = set()
    voided: set[str] = set()
    asked: list[str] = []

    async def customer(http: aiohttp.ClientSession, number: int) -> None:
        for turn_of in range(10_000):
            key = f"c{number}-{turn_of}"
            asked.append(key)
            answered[key] = (await charge(http, key))[0]
            if random.random() < 0.3:
                void_asked.add(key)
                assert (await send_action(http, key, "void"))[1] == {"status": "voided", "refunded": True}
                voided.add(key)

    for _ in range(kills):
        known = len(answered)
        async with aiohttp.ClientSession(own_outside.url) as http:
            number = random.randrange(10**9)
            traffic = [asyncio.create_task(customer(http, number + each)) for each in range(16)]
            async with asyncio.timeout(20):
                while len(answered) < known + 150:
                    await asyncio.sleep(0.01)
            await own_outside.kill()
            outcomes = await asyncio.gather(*traffic, return_exceptions=True)
            assert all(isinstance(outcome, aiohttp.ClientError) for outcome in outcomes)
        await own_outside.start()

    async with aiohttp.ClientSession(own_outside.url) as http:
        for key in asked:
            status, answer = await charge(http, key)
            expected = {409} if key in voided else {409, 200} if key in void_asked else {200}
            assert status in (expected if key in answered else expected | {201}), (key, answer)
        ledger: Counter[tuple[str, str]] = Counter()
        after: int | None = 0
        while after is not None:
            query = {"after": str(after), "limit": "1000"}
            async with http.get("/payments/a/ledger", params=query) as page_answer:
                page = await page_answer.json()
            ledger.update((entry["key"], entry["kind"]) for entry in page["entries"])
            after = page["next"]
    assert set(ledger.values()) == {1}
    assert {key for key, kind in ledger if kind == "capture"} == set(asked)
    assert voided <= {key for key, kind in ledger if kind == "void"}


async def test_it_stops_promptly_even_while_a_request_hangs(own_outside: OutsideProcess) -> None:
    async with aiohttp.ClientSession(own_outside.url) as http:
        await set_dial(http, "payments-a", hang_rate=1)
        hanging = asyncio.create_task(charge(http, "hanging"))
        await until_outcome(http, "payments-a", "hung")
        began = time.monotonic()
        assert await own_outside.stop() == 0
        assert time.monotonic() - began < 8  # the request hangs until its client disconnects
        await asyncio.gather(hanging, return_exceptions=True)


async def test_a_dial_shows_its_setting_and_can_be_reset(http: aiohttp.ClientSession) -> None:
    async with http.put("/dials/mail", json={"latency_ms": 5, "error_rate": 0.5}) as answer:
        turned = await answer.json()
    async with http.get("/dials/mail") as answer:
        assert await answer.json() == turned == {**turned, "latency_ms": 5, "error_rate": 0.5, "hang_rate": 0}
    async with http.delete("/dials/mail") as answer:
        assert {name for name, value in (await answer.json()).items() if value} == {"retry_after_s"}


async def test_a_dial_refuses_settings_that_its_part_does_not_have(http: aiohttp.ClientSession) -> None:
    for part, dial in [
        ("mail", {"decline_rate": 0.1}),
        ("mail", {"throttle_rate": 1}),
        ("mail", {"error_rate": 2}),
        ("nobody", {}),
    ]:
        async with http.put(f"/dials/{part}", json=dial) as answer:
            assert (answer.status, answer.content_type) == (422, "application/problem+json")


async def test_wrong_paths_and_methods_are_answered_with_a_problem(http: aiohttp.ClientSession) -> None:
    async with http.get("/nowhere") as answer:
        assert (answer.status, answer.content_type) == (404, "application/problem+json")
    async with http.put("/livez") as answer:
        assert (answer.status, answer.content_type) == (405, "application/problem+json")


async def test_a_token_is_verified_by_discovery_alone_and_keys_survive_a_restart(
    own_outside: OutsideProcess,
) -> None:
    async def discovered() -> tuple[str, jwt.PyJWKSet]:
        async with aiohttp.ClientSession() as http:
            url = f"{own_outside.url}/identity/.well-known/openid-configuration"
            async with http.get(url) as answer:
                document = await answer.json()
            async with http.get(document["jwks_uri"]) as answer:
                return document["issuer"], jwt.PyJWKSet.from_dict(await answer.json())

    async with aiohttp.ClientSession(own_outside.url) as http:
        asked = {"sub": "anna", "roles": ["seller"], "ttl_s": 60}
        async with http.post("/identity/token", json=asked) as answer:
            token = (await answer.json())["access_token"]
    await own_outside.kill()
    await own_outside.start()
    issuer, keys = await discovered()
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["ES256"], audience="marketplace", issuer=issuer)
    assert (claims["sub"], claims["roles"], claims["exp"] - claims["iat"]) == ("anna", ["seller"], 60)


async def test_entries_can_be_read_page_by_page(http: aiohttp.ClientSession) -> None:
    for number in range(5):
        await charge(http, f"paged-{number}", provider="b")
    after: int | None = 0
    seen: list[int] = []
    while after is not None:
        async with http.get("/payments/b/ledger", params={"after": str(after), "limit": "2"}) as answer:
            page = await answer.json()
        seen += [entry["seq"] for entry in page["entries"]]
        after = page["next"]
    assert seen == sorted(set(seen))
    assert all([held(await entries_of(http, f"paged-{number}", provider="b")) == 500 for number in range(5)])


async def test_a_dial_counts_the_requests_that_it_made_fail(http: aiohttp.ClientSession) -> None:
    before = await count_outcomes(http, "payments-b", "failed")
    await charge(http, a_key(), provider="b")
    assert await count_outcomes(http, "payments-b", "failed") == before
    await set_dial(http, "payments-b", error_rate=1)
    await charge(http, a_key(), provider="b")
    assert await count_outcomes(http, "payments-b", "failed") == before + 1
