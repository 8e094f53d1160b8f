"""The gateway limits the rates of users and addresses."""

import asyncio
import re
import time
from collections.abc import Mapping, Sequence
from typing import Any

from tests.integration.gateway.conftest import BURST, RATE
from tests.integration.gateway.running import Answer, Running
from tests.system.marketplace import until

MAX_REQUESTS = 20 * BURST


async def exhaust(
    gateway: Running, path: str, token: str | None = None, *, cost: int = 1, burst: int = BURST, **options: Any
) -> Sequence[Answer]:
    """Send requests until one is refused, and assert that it is neither too late nor too early. Returns all answers."""
    start, answers = time.monotonic(), [await gateway.request("GET", path, token, **options)]
    while answers[-1].status == 200:
        assert len(answers) < MAX_REQUESTS
        answers.append(await gateway.request("GET", path, token, **options))
    spent, refilled = (len(answers) - 1) * cost, RATE * (time.monotonic() - start) + 1
    assert burst - cost < spent <= burst + refilled
    return answers


async def burst_of(gateway: Running, method: str, path: str, *variants: Mapping[str, Any]) -> Sequence[Answer]:
    """Send all these requests at once."""
    return await asyncio.gather(*(gateway.request(method, path, **each) for each in variants))


def assert_refused(answer: Answer, kind: str) -> None:
    answer.is_problem(429, "rate-limited")
    assert answer.headers["RateLimit-Policy"] == f'"{kind}";q={BURST};w=2'
    assert re.fullmatch(rf'"{kind}";r=0;t=\d+', answer.headers["RateLimit"])
    assert int(answer.headers["Retry-After"]) >= 1


async def test_a_user_may_send_a_burst_and_then_must_wait(strict: Running) -> None:
    token = strict.issuer.token("ada")
    *served, refused = await exhaust(strict, "/mine", token)
    assert {each.headers["RateLimit-Policy"] for each in served} == {f'"user";q={BURST};w=2'}
    remaining = [int(re.fullmatch(r'"user";r=(\d+);t=\d+', each.headers["RateLimit"])[1]) for each in served]
    assert (remaining[0], remaining[-1]) == (BURST - 1, 0)
    assert_refused(refused, "user")
    assert not [each for each in refused.headers if each.lower().startswith("x-ratelimit")]

    await until(lambda: strict.accepts(token), 3)


async def test_another_user_and_people_without_a_token_are_unaffected(strict: Running) -> None:
    await exhaust(strict, "/mine", strict.issuer.token("bea"), source="127.0.0.20")
    assert (await strict.request("GET", "/mine", strict.issuer.token("bob"), source="127.0.0.20")).status == 200
    assert (await strict.request("GET", "/public", source="127.0.0.20")).status == 200


async def test_another_token_or_address_does_not_help_a_user(strict: Running) -> None:
    await exhaust(strict, "/mine", strict.issuer.token("cleo"))
    another = strict.issuer.token("cleo", "seller", jti="another")
    answers = await exhaust(strict, "/mine", another, burst=0, source="127.0.0.21")
    assert_refused(answers[-1], "user")


async def test_an_address_without_a_token_may_send_a_burst_and_then_must_wait(strict: Running) -> None:
    *_, refused = await exhaust(strict, "/public", source="127.0.0.30")
    assert_refused(refused, "address")
    assert (await strict.request("GET", "/public", source="127.0.0.31")).status == 200
    assert (await strict.request("GET", "/public", strict.issuer.token("dora"), source="127.0.0.30")).status == 200

    async def served_again() -> bool:
        return (await strict.request("GET", "/public", source="127.0.0.30")).status == 200

    await until(served_again, 3)


async def test_no_header_and_no_invalid_token_gives_an_address_another_budget(strict: Running) -> None:
    await exhaust(strict, "/public", source="127.0.0.40")
    disguises: list[dict[str, str]] = [
        {"X-Forwarded-For": "9.9.9.9"},
        {"X-Forwarded-For": "9.9.9.9, 127.0.0.41"},
        {"X-Envoy-External-Address": "9.9.9.9"},
        {"X-Real-IP": "9.9.9.9"},
        {"Forwarded": "for=9.9.9.9"},
        {"X-Verified-User": "root"},
        *({"Authorization": f"Bearer {token}"} for token in strict.issuer.refused("eve").values()),
    ]
    answers = await burst_of(
        strict, "GET", "/public", *({"source": "127.0.0.40", "headers": each} for each in disguises)
    )
    assert [each.status for each in answers].count(429) > len(answers) * 2 / 3
    assert {each.headers["RateLimit-Policy"].split(";")[0] for each in answers} == {'"address"'}


async def test_an_expensive_request_counts_as_several(strict: Running) -> None:
    *_, refused = await exhaust(strict, "/mine/dear", strict.issuer.token("fay"), cost=3)
    refused.is_problem(429, "rate-limited")
    await exhaust(strict, "/dear", source="127.0.0.50", cost=3)


async def test_a_request_without_cost_is_not_limited(strict: Running) -> None:
    await exhaust(strict, "/public", source="127.0.0.60")
    answers = await burst_of(strict, "POST", "/callback", *[{"source": "127.0.0.60"}] * (3 * BURST))
    assert {each.status for each in answers} == {200}
    assert "RateLimit" not in answers[0].headers


async def test_refused_requests_count_too(strict: Running) -> None:
    """Otherwise one could search for paths and roles at any speed."""
    for number, (method, path, token) in enumerate(
        [
            ("GET", "/nothing", None),
            ("DELETE", "/public", None),
            ("POST", "/sell", strict.issuer.token("gil")),
        ]
    ):
        request = {"token": token, "source": f"127.0.0.{70 + number}"}
        answers = await burst_of(strict, method, path, *[request] * (2 * BURST))
        assert 429 in {each.status for each in answers}, path
