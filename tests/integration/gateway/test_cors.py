"""Pages of configured origins may call the APIs from a browser. No others may."""

import pytest

from tests.integration.gateway.conftest import ORIGIN
from tests.integration.gateway.running import Answer, Running

ALLOW = "Access-Control-"
ELSEWHERE = ["https://evil.example", f"{ORIGIN}.evil.example", "http://shop.example", f"{ORIGIN}:444", "null"]


async def preflight(gateway: Running, origin: str, source: str) -> Answer:
    headers = {
        "Origin": origin,
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "authorization, content-type",
    }
    return await gateway.request("OPTIONS", "/mine/1", headers=headers, source=source)


async def test_a_configured_origin_is_allowed(strict: Running) -> None:
    asked = await preflight(strict, ORIGIN, "127.0.0.90")
    assert (asked.status, asked.headers[f"{ALLOW}Allow-Origin"]) == (200, ORIGIN)
    assert "PUT" in asked.headers[f"{ALLOW}Allow-Methods"]
    assert {"authorization", "idempotency-key"} <= set(asked.headers[f"{ALLOW}Allow-Headers"].split(", "))
    for path, status in (("/callback", 200), ("/sell", 401)):
        answer = await strict.request("POST", path, headers={"Origin": ORIGIN}, source="127.0.0.91")
        assert (answer.status, answer.headers[f"{ALLOW}Allow-Origin"]) == (status, ORIGIN)
        assert "ratelimit" in answer.headers[f"{ALLOW}Expose-Headers"]
        assert f"{ALLOW}Allow-Credentials" not in answer.headers


@pytest.mark.parametrize("origin", ELSEWHERE)
async def test_another_origin_is_not_allowed(strict: Running, origin: str) -> None:
    source = f"127.0.0.{100 + ELSEWHERE.index(origin)}"
    asked = await preflight(strict, origin, source)
    answer = await strict.request("GET", "/public", headers={"Origin": origin}, source=source)
    assert answer.status == 200
    assert not [each for each in (*asked.headers, *answer.headers) if each.startswith(ALLOW)]


async def test_by_default_none_is_allowed(gateway: Running) -> None:
    asked = await preflight(gateway, ORIGIN, "127.0.0.1")
    asked.is_problem(405, "method-not-allowed")
    answer = await gateway.request("GET", "/public", headers={"Origin": ORIGIN})
    assert not [each for each in (*asked.headers, *answer.headers) if each.startswith(ALLOW)]
