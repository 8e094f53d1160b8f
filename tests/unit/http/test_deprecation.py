"""Every answer of a deprecated route says since when, until when, and what to use instead."""

from collections.abc import Callable
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime

import pytest

from marketplace_runtime.http import CachePolicy, Deprecation, NotFound, Router, Unavailable, cached, deprecated
from tests.unit.http.client import Client
from tests.unit.http.example_routes import Thing

SINCE, SUNSET = date(2026, 12, 1), date(2027, 7, 1)
ANNOUNCED = {
    "deprecation": "@1796083200",
    "sunset": "Thu, 01 Jul 2027 00:00:00 GMT",
    "link": '</v2/things/a>; rel="successor-version"',
}


def routes() -> Router:
    router = Router()

    @router.get("/things/{name}")
    @cached(CachePolicy(fresh_s=1, stale_while_revalidate_s=1, stale_if_error_s=1))
    @deprecated(Deprecation(SINCE, SUNSET, successor="/v2/things/{name}"))
    async def thing(name: str, limit: bool = False) -> Thing:
        if name == "gone":
            raise NotFound
        if name == "busy":
            raise Unavailable("Later.")
        return Thing(name=name)

    @router.put("/things/{name}")
    async def put(name: str) -> Thing:
        return Thing(name=name)

    return router


@pytest.fixture
def client(client_for: Callable[[Router], Client]) -> Client:
    return client_for(routes())


async def test_the_answer_announces_the_removal(client: Client) -> None:
    answer = await client.request("GET", "/things/a")
    assert answer.headers.items() >= ANNOUNCED.items()
    since = datetime.fromtimestamp(int(answer.headers["deprecation"].removeprefix("@")), UTC)
    assert (since.date(), parsedate_to_datetime(answer.headers["sunset"]).date()) == (SINCE, SUNSET)


async def test_304_announces_it_too(client: Client) -> None:
    answer = await client.request("GET", "/things/a", headers={"If-None-Match": "*"})
    assert answer.status == 304
    assert answer.headers.items() >= ANNOUNCED.items()


@pytest.mark.parametrize(("path", "status"), [("/things/gone", 404), ("/things/busy", 503), ("/things/a?limit=7", 422)])
async def test_errors_announce_it_too(client: Client, path: str, status: int) -> None:
    answer = await client.request("GET", path)
    assert answer.status == status
    assert answer.headers["deprecation"] == ANNOUNCED["deprecation"]


@pytest.mark.parametrize(("method", "path"), [("PUT", "/things/a"), ("DELETE", "/things/a"), ("GET", "/livez")])
async def test_other_methods_and_routes_do_not(client: Client, method: str, path: str) -> None:
    answer = await client.request(method, path)
    assert not ANNOUNCED.keys() & answer.headers.keys()


async def test_the_link_to_the_successor_cannot_be_broken_by_the_path(client: Client) -> None:
    answer = await client.request("GET", "/things/a%0d%0aX-Evil:1%3E;%22%7B")
    assert answer.headers["link"] == '</v2/things/a%0D%0AX-Evil%3A1%3E%3B%22%7B>; rel="successor-version"'


def test_clients_get_at_least_six_months() -> None:
    Deprecation(SINCE, date(2027, 6, 3), successor="/v2")
    with pytest.raises(ValueError, match="at least 184 days after 2026-12-01"):
        Deprecation(SINCE, date(2027, 6, 2), successor="/v2")


def test_the_successor_has_no_other_parameters() -> None:
    with pytest.raises(TypeError, match=r"/old/\{a\}: its successor /new/\{b\} has other parameters: {'b'}"):

        @Router().get("/old/{a}")
        @deprecated(Deprecation(SINCE, SUNSET, successor="/new/{b}"))
        async def old(a: str) -> None: ...
