"""The gateway limits the rates of users and addresses."""

import re
from collections.abc import Sequence
from typing import Any

from tests.integration.gateway.conftest import BURST
from tests.integration.gateway.running import Answer, Running, until

MAX_REQUESTS = 3 * BURST


async def exhaust(gateway: Running, path: str, token: str | None = None, **options: Any) -> Sequence[Answer]:
    """Send requests until one is refused. Returns all answers."""
    answers = [await gateway.request("GET", path, token, **options)]
    while answers[-1].status == 200:
        assert len(answers) < MAX_REQUESTS
        answers.append(await gateway.request("GET", path, token, **options))
    return answers


def assert_refused(answer: Answer, kind: str) -> None:
    answer.is_problem(429, "rate-limited")
    assert answer.headers["RateLimit-Policy"] == f'"{kind}";q={BURST};w=2'
    assert re.fullmatch(rf'"{kind}";r=0;t=\d+', answer.headers["RateLimit"])
    assert int(answer.headers["Retry-After"]) >= 1


async def test_a_user_may_send_a_burst_and_then_must_wait(strict: Running) -> None:
    token = strict.issuer.token("ada")
    *served, refused = await exhaust(strict, "/mine", token)
    assert BURST <= len(served) < 2 * BURST
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
    answers = await exhaust(strict, "/mine", another, source="127.0.0.21")
    assert len(answers) <= BURST // 2
    assert_refused(answers[-1], "user")


async def test_an_address_without_a_token_may_send_a_burst_and_then_must_wait(strict: Running) -> None:
    *served, refused = await exhaust(strict, "/public", source="127.0.0.30")
    assert BURST <= len(served) < 2 * BURST
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
    answers = [await strict.request("GET", "/public", source="127.0.0.40", headers=each) for each in disguises]
    assert [each.status for each in answers].count(429) > len(answers) * 2 / 3
    assert {each.headers["RateLimit-Policy"].split(";")[0] for each in answers} == {'"address"'}


async def test_an_expensive_request_counts_as_several(strict: Running) -> None:
    *served, refused = await exhaust(strict, "/mine/dear", strict.issuer.token("fay"))
    assert BURST // 3 <= len(served) < BURST * 2 // 3
    refused.is_problem(429, "rate-limited")
    *served, _ = await exhaust(strict, "/dear", source="127.0.0.50")
    assert BURST // 3 <= len(served) < BURST * 2 // 3


async def test_a_request_without_cost_is_not_limited(strict: Running) -> None:
    await exhaust(strict, "/public", source="127.0.0.60")
    answers = [await strict.request("POST", "/callback", source="127.0.0.60") for _ in range(MAX_REQUESTS)]
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
        source = f"127.0.0.{70 + number}"
        answers = [await strict.request(method, path, token, source=source) for _ in range(2 * BURST)]
        assert 429 in {each.status for each in answers}, path
