"""The Request-Timeout header says how many seconds a client waits. Work that it cannot wait for is not begun."""

from collections.abc import Callable

import pytest

from marketplace_runtime.http import Router
from tests.unit.http.client import Client, bearer
from tests.unit.http.example_routes import routes

SELLER = bearer("alice", ("seller",))


@pytest.fixture
def client(client_for: Callable[[Router], Client]) -> Client:
    return client_for(routes())


@pytest.mark.parametrize("seconds", ["10", "0.5", "007", "99999", "0.999999"])
async def test_a_timeout_may_have_decimals(client: Client, seconds: str) -> None:
    answer = await client.request("POST", "/things", {}, SELLER | {"Request-Timeout": seconds})
    assert (answer.status, client.database.committed) == (201, 1)


@pytest.mark.parametrize("said", ["", "soon", "-1", "+1", "1e3", "1.", ".5", "1,5", "0x1", "5s", "inf", "100000"])
async def test_an_invalid_number_of_seconds_is_refused(client: Client, said: str) -> None:
    answer = await client.request("POST", "/things", {}, SELLER | {"Request-Timeout": said})
    assert (answer.status, answer.slug, client.database.opened) == (400, "invalid-request-timeout", 0)


@pytest.mark.parametrize("seconds", ["0", "0.0", "0.05"])
async def test_a_request_without_time_left_uses_no_resources(client: Client, seconds: str) -> None:
    answer = await client.request("POST", "/things", b"never looked at", SELLER | {"Request-Timeout": seconds})
    assert (answer.status, answer.slug) == (504, "deadline-exceeded")
    assert "nothing was done" in answer.json["detail"]
    assert (client.database.opened, client.keys.looked_up) == (0, [])


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_health_and_metrics_are_answered_despite_a_timeout_of_zero(client: Client, path: str) -> None:
    assert (await client.request("GET", path, headers={"Request-Timeout": "0"})).status == 200
