"""A client says how many seconds it waits; what it would not wait for is not begun."""

from collections.abc import Callable

import pytest

from marketplace_runtime.http import Router
from tests.unit.http.asking import Client, bearer
from tests.unit.http.things import routes

SELLER = bearer("alice", ("seller",))


@pytest.fixture
def client(client_for: Callable[[Router], Client]) -> Client:
    return client_for(routes())


@pytest.mark.parametrize("seconds", ["10", "0.5", "007", "99999", "0.999999"])
async def test_seconds_are_taken_with_decimals(client: Client, seconds: str) -> None:
    answer = await client.ask("POST", "/things", {}, SELLER | {"Request-Timeout": seconds})
    assert (answer.status, client.database.committed) == (201, 1)


@pytest.mark.parametrize("said", ["", "soon", "-1", "+1", "1e3", "1.", ".5", "1,5", "0x1", "5s", "inf", "100000"])
async def test_what_is_no_number_of_seconds_is_refused(client: Client, said: str) -> None:
    answer = await client.ask("POST", "/things", {}, SELLER | {"Request-Timeout": said})
    assert (answer.status, answer.slug, client.database.opened) == (400, "invalid-request-timeout", 0)


@pytest.mark.parametrize("seconds", ["0", "0.0", "0.05"])
async def test_a_request_with_no_time_left_costs_nothing(client: Client, seconds: str) -> None:
    answer = await client.ask("POST", "/things", b"never looked at", SELLER | {"Request-Timeout": seconds})
    assert (answer.status, answer.slug) == (504, "deadline-exceeded")
    assert "nothing was done" in answer.json["detail"]
    assert (client.database.opened, client.keys.asked) == (0, [])


@pytest.mark.parametrize("path", ["/livez", "/readyz", "/metrics"])
async def test_who_looks_after_the_service_is_always_answered(client: Client, path: str) -> None:
    assert (await client.ask("GET", path, headers={"Request-Timeout": "0"})).status == 200
