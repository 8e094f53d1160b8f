"""Shared caches keep the answers of routes that are declared so, and nothing else."""

from collections.abc import Callable
from typing import Any

import pytest

from marketplace_runtime.http import CachePolicy, Caller, NotFound, Router, Tx, cached
from marketplace_runtime.http.caching import entity_tag, matches
from tests.unit.http.client import Answer, Client, bearer
from tests.unit.http.example_routes import Thing
from tests.unit.http.example_routes import routes as example_routes

POLICY = CachePolicy(fresh_s=5, stale_while_revalidate_s=30, stale_if_error_s=60)
TAG = 'W/"abc"'


def routes(size: Callable[[], int] = lambda: 1) -> Router:
    router = Router()

    @router.get("/things/{name}")
    @cached(POLICY)
    async def thing(name: str, tx: Tx) -> Thing:
        if name == "away":
            raise ConnectionRefusedError("db")
        if name == "gone":
            raise NotFound
        return Thing(name=name, size=size())

    return router


@pytest.fixture
def client(client_for: Callable[[Router], Client]) -> Client:
    return client_for(routes())


async def get(client: Client, path: str = "/things/a", **headers: str) -> Answer:
    return await client.request("GET", path, headers={name.replace("_", "-"): each for name, each in headers.items()})


@pytest.mark.parametrize(
    "value",
    [
        TAG,
        '"abc"',
        "*",
        f'"x", {TAG}',
        f'{TAG},"x"',
        f'"x",W/"y",{TAG}',
        f' {TAG}\t,"x"',
        f",,{TAG},",
        f'"a,b", {TAG}',
        f'"", {TAG}',
        f'"\xe9", {TAG}',
    ],
)
def test_a_listed_tag_matches_by_weak_comparison(value: str) -> None:
    assert matches(value, TAG)


@pytest.mark.parametrize(
    "value",
    [
        "",
        ",",
        '"x"',
        'W/"x"',
        '"ABC"',
        '"abc,"',
        '"x", "y"',
        "abc",
        '"abc',
        'abc"',
        'w/"abc"',
        'W/ "abc"',
        '"a b c"',
        f"{TAG} {TAG}",
        f"{TAG}; q=1",
        f"*, {TAG}",
        f"{TAG}, *",
        f"{TAG}, junk",
        f'{TAG}, "\x7f"',
    ],
)
def test_another_tag_and_a_malformed_list_do_not_match(value: str) -> None:
    assert not matches(value, TAG)


@pytest.mark.parametrize("piece", [" ", ",", ", ", '"', '"x",', 'W/"'])
@pytest.mark.timeout(5)
def test_a_hostile_list_takes_no_longer_than_its_length(piece: str) -> None:
    assert not matches(piece * 20_000 + "!", TAG)


def test_a_tag_depends_on_the_whole_body() -> None:
    assert entity_tag(b"a") == entity_tag(b"a") != entity_tag(b"b")
    assert matches(entity_tag(b"a"), entity_tag(b"a"))


async def test_a_cached_answer_has_a_validator_and_the_policy(client: Client) -> None:
    answer = await get(client)
    assert answer.status == 200
    assert answer.headers["etag"] == entity_tag(answer.body)
    assert answer.headers["cache-control"] == (
        "public, max-age=0, s-maxage=5, stale-while-revalidate=30, stale-if-error=60"
    )
    assert answer.headers["cdn-cache-control"] == "public, max-age=5, stale-while-revalidate=30, stale-if-error=60"
    assert answer.headers["vary"] == "Origin"


async def test_a_client_that_has_the_answer_gets_304_without_a_body(client: Client) -> None:
    full = await get(client)
    answer = await get(client, If_None_Match=full.headers["etag"])
    assert (answer.status, answer.body) == (304, b"")
    assert answer.headers == {
        name: full.headers[name] for name in ("etag", "cache-control", "cdn-cache-control", "vary")
    }
    assert (await get(client, If_None_Match="*")).status == 304


async def test_several_header_lines_are_one_list(client: Client) -> None:
    tag = (await get(client)).headers["etag"]
    lines = [(b"if-none-match", b'"x"'), (b"if-none-match", tag.encode())]
    app = client.app

    async def with_both_lines(scope: Any, receive: Any, send: Any) -> None:
        await app(scope | {"headers": [*scope["headers"], *lines]}, receive, send)

    client.app = with_both_lines  # type: ignore[assignment]
    assert (await get(client)).status == 304


async def test_a_changed_answer_is_sent_with_another_tag(client_for: Callable[[Router], Client]) -> None:
    sizes = iter([1, 2])
    client = client_for(routes(lambda: next(sizes)))
    first = await get(client)
    second = await get(client, If_None_Match=first.headers["etag"])
    assert (second.status, second.json["size"]) == (200, 2)
    assert second.headers["etag"] != first.headers["etag"]


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer nonsense"},
        bearer("alice"),
        {"Accept-Encoding": "br, gzip"},
        {"Accept": "text/html"},
        {"Accept-Language": "de"},
        {"Origin": "https://shop.example"},
    ],
)
async def test_a_cached_answer_is_the_same_for_everyone(client: Client, headers: dict[str, str]) -> None:
    assert await client.request("GET", "/things/a", headers=headers) == await get(client)


@pytest.mark.parametrize(
    ("path", "status"), [("/things/gone", 404), ("/things/away", 503), ("/things/a?x=%00", 422), ("/things/a/b", 404)]
)
async def test_an_error_of_a_cached_route_is_never_stored(client: Client, path: str, status: int) -> None:
    answer = await get(client, path, If_None_Match="*")
    assert (answer.status, answer.headers["cache-control"]) == (status, "no-store")
    assert not {"etag", "cdn-cache-control"} & answer.headers.keys()


async def test_a_request_without_time_is_never_stored(client: Client) -> None:
    answer = await get(client, Request_Timeout="0")
    assert (answer.status, answer.headers["cache-control"]) == (504, "no-store")


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/public"),
        ("GET", "/mine/alice"),
        ("PUT", "/mine/alice"),
        ("POST", "/things"),
        ("DELETE", "/public"),
        ("GET", "/boom"),
        ("GET", "/nowhere"),
        ("GET", "/ops/backlog"),
        ("GET", "/livez"),
        ("GET", "/readyz"),
        ("GET", "/metrics"),
        ("GET", "/openapi.json"),
        ("BREW", "/public"),
        ("GET", "/public%00"),
    ],
)
@pytest.mark.parametrize("headers", [{}, bearer("alice", ("seller", "operator"))], ids=["anyone", "caller"])
async def test_every_other_answer_is_never_stored(
    client_for: Callable[[Router], Client], method: str, path: str, headers: dict[str, str]
) -> None:
    body = {"name": "x"} if method in ("PUT", "POST") else None
    answer = await client_for(example_routes()).request(method, path, body, headers | {"If-None-Match": "*"})
    assert answer.status != 304
    assert answer.headers["cache-control"] == "no-store"
    assert "etag" not in answer.headers


def test_a_route_for_one_caller_cannot_be_cached() -> None:
    with pytest.raises(TypeError, match="/mine: remove @cached"):

        @Router().get("/mine")
        @cached(POLICY)
        async def mine(caller: Caller) -> None: ...


@pytest.mark.parametrize(("method", "path"), [("POST", "/things"), ("DELETE", "/things"), ("GET", "/ops/things")])
def test_a_write_and_an_operator_route_cannot_be_cached(method: str, path: str) -> None:
    with pytest.raises(TypeError, match=f"{path}: remove @cached"):

        @Router().api_route(path, methods=[method])
        @cached(POLICY)
        async def change() -> None: ...
