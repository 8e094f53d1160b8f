"""Bad input to every route of the running services gets 4xx with a problem document and has no effect."""

import json
from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.system.http_requests import Answer, Operation, operations, token_for, well_formed_answer
from tests.system.marketplace import Marketplace, Visit

OPERATOR_PATHS = "/ops/"
"""Operators' routes are the same in every service; a test below covers them."""

GOOD: dict[str, Any] = {
    "catalog POST /products": {
        "name": "Lamp",
        "category": "home",
        "price": {"amount": 100, "currency": "EUR"},
        "on_hand": 1,
        "low_stock_threshold": 1,
    },
    "catalog POST /products/{product_id}/price": {"price": {"amount": 100, "currency": "EUR"}},
    "catalog POST /products/{product_id}/restock": {"quantity": 1},
    "cart PUT /carts/{customer}/items/{product_id}": {"quantity": 1},
    "delivery PUT /addresses/{customer}": {
        "name": "Ada",
        "street": "1 Main St",
        "city": "Berlin",
        "postal_code": "10115",
        "country": "DE",
    },
    "notifications PUT /contacts/{person}": {
        "email": "ada@example.org",
        "choices": {"order_updates": True, "reminders": True},
    },
    "notifications POST /webhooks": {"url": "http://127.0.0.1:9/", "events": ["checkout.*"], "everyones": False},
}
"""A valid body for each route that takes one; test_hostile_webhooks.py tests the carriers' route with signed bodies."""

NEVER_RIGHT = (
    None,
    [],
    {},
    [1],
    {"a": 1},
    1.5,
    -1,
    2**31,
    2**63,
    -(2**63),
    10**30,
    1e308,
    "",
    "\0",
    "\ud800",
    "x" * 5000,
)
"""Values that are invalid for every member."""
NUMBERS_ONLY = (True, "1", "", "1; drop table products", "0x1", -0.5)
TEXT_ONLY = (0, 1, False, True)

NOT_JSON = {
    "nothing": b"",
    "half": b'{"a":',
    "two": b'{"quantity":1}{"quantity":2}',
    "single quotes": b"{'quantity':1}",
    "NaN": b'{"quantity":NaN}',
    "no number at all": b'{"quantity":01}',
    "no UTF-8": b'{"quantity":"\xff\xfe"}',
    "UTF-16": '{"quantity":1}'.encode("utf-16"),
    "a byte order mark": b"\xef\xbb\xbf" + b'{"quantity":1}',
    "depth": b"[" * 30_000 + b"]" * 30_000,
    "deep objects": b'{"a":' * 10_000,
    "a long number": b'{"quantity":' + b"9" * 60_000 + b"}",
    "a list": b"[]",
    "null": b"null",
    "a text": b'"quantity"',
    "a number": b"1",
    "controls": b'{"quantity":"\x01\x1b"}',
}

IDS = (
    "0",
    "-1",
    "1e9",
    "NaN",
    "' or 1=1--",
    '"; drop table products; --',
    "%",
    "\n",
    "\r\nX-Evil: 1",
    "\0",
    "..",
    "../../etc/passwd",
    "00000000-0000-0000-0000-00000000000g",
    "{00000000-0000-0000-0000-000000000000}",
    "00000000-0000-0000-0000-000000000000",
    "ffffffff-ffff-ffff-ffff-ffffffffffff",
    "٣" * 32,
    "💡",
    "x" * 65,
    "x" * 8000,
)
"""Ids that are invalid or unknown."""

Hostile = dict[str, Any]


@pytest.fixture(scope="module")
async def visit(marketplace: Marketplace) -> AsyncIterator[Visit]:
    async with Visit(marketplace) as http:
        yield http


@pytest.fixture(scope="module")
async def every(visit: Visit) -> list[Operation]:
    return [
        each for each in await operations(visit) if each.method == "GET" or not each.path.startswith(OPERATOR_PATHS)
    ]


@pytest.fixture(scope="module")
async def ids(visit: Visit) -> dict[str, str]:
    """Return values for path parameters: things that the caller owns, if they can be made at once."""
    seller, product_id = await visit.product()
    me = seller.subject
    unknown = {name: str(uuid4()) for name in ("order_id", "endpoint_id", "event_id")}
    return {"customer": me, "person": me, "product_id": product_id, "carrier": "a", "id": "1"} | unknown


@pytest.fixture(scope="module")
async def me(visit: Visit, ids: dict[str, str]) -> str:
    """Return a token with all permissions for `ids`, so that only the input can be refused."""
    return await token_for(visit, ids["customer"], "seller", "operator")


def mutations(good: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Yield each place in a body with a value to put there."""
    if isinstance(good, dict):
        for name, value in good.items():
            yield from mutations(value, (*path, name))
        yield from ((path, value) for value in (None, [], [good], "x", 1, True) if path)
    else:
        others = TEXT_ONLY if isinstance(good, str) else NUMBERS_ONLY
        others = (1, 0, "true", "yes") if isinstance(good, bool) else others
        yield from ((path, value) for value in (*NEVER_RIGHT, *others))


def changed(good: Any, path: tuple[str, ...], value: Any) -> Any:
    body = deepcopy(good)
    inner = body
    for name in path[:-1]:
        inner = inner[name]
    inner[path[-1]] = value
    return body


async def send(
    visit: Visit,
    operation: Operation,
    ids: dict[str, str],
    token: str,
    raw: bytes,
    media_type: str = "application/json",
) -> Answer:
    """Send these bytes to the operation, and return its answer; assert that it is well-formed."""
    path = operation.path.format(**ids)
    headers = {"Content-Type": media_type}
    return await well_formed_answer(
        visit, operation.method, operation.service, path, token=token, data=raw, headers=headers
    )


def bodies(every: list[Operation]) -> list[Operation]:
    """Return the operations that read JSON."""
    found = [each for each in every if each.takes_a_body and "{carrier}" not in each.path]
    assert {str(each) for each in found} == GOOD.keys()
    return found


async def test_a_member_of_the_wrong_type_or_size_is_refused(
    visit: Visit, every: list[Operation], ids: dict[str, str], me: str
) -> None:
    for operation in bodies(every):
        good = GOOD[str(operation)]
        for path, value in mutations(good):
            raw = json.dumps(changed(good, path, value)).encode()
            answer = await send(visit, operation, ids, me, raw)
            assert answer.status in (400, 422), (str(operation), path, value, answer.raw)


async def test_unknown_members_are_refused(visit: Visit, every: list[Operation], ids: dict[str, str], me: str) -> None:
    """A client cannot set a price, status or owner with an additional member."""
    more: Hostile = {
        "status": "delivered",
        "price": {"amount": 1, "currency": "EUR"},
        "unit_price": {"amount": 1, "currency": "EUR"},
        "total": 1,
        "seller_id": "mallory",
        "customer_id": "mallory",
        "product_id": str(uuid4()),
        "order_id": str(uuid4()),
        "version": 7,
        "reserved": 0,
        "roles": ["operator"],
        "__class__": "x",
        "__proto__": {"x": 1},
    }
    for operation in bodies(every):
        good = GOOD[str(operation)]
        for name, value in more.items():
            if name not in good:
                answer = await send(visit, operation, ids, me, json.dumps(good | {name: value}).encode())
                assert answer.status == 422, (str(operation), name, answer.raw)
                assert [each["pointer"] for each in answer.json["errors"]] == [f"/body/{name}"]


async def test_missing_members_are_named(visit: Visit, every: list[Operation], ids: dict[str, str], me: str) -> None:
    for operation in bodies(every):
        answer = await send(visit, operation, ids, me, b"{}")
        assert answer.status == 422
        assert answer.json["errors"], str(operation)


@pytest.mark.parametrize("raw", NOT_JSON.values(), ids=NOT_JSON.keys())
async def test_a_body_that_is_no_json_object_is_refused(
    visit: Visit, every: list[Operation], ids: dict[str, str], me: str, raw: bytes
) -> None:
    for operation in bodies(every):
        assert (await send(visit, operation, ids, me, raw)).status in (400, 422), str(operation)


@pytest.mark.parametrize(
    "media_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonp",
        "json",
        "*/*",
    ],
)
async def test_another_media_type_is_415(
    visit: Visit, every: list[Operation], ids: dict[str, str], me: str, media_type: str
) -> None:
    for operation in bodies(every):
        raw = json.dumps(GOOD[str(operation)]).encode()
        assert (await send(visit, operation, ids, me, raw, media_type)).status == 415, str(operation)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_64_kib_is_413(
    visit: Visit, every: list[Operation], ids: dict[str, str], me: str, chunked: bool
) -> None:
    async def pieces() -> AsyncIterator[bytes]:
        for _ in range(9):
            yield b" " * 8192

    for operation in (each for each in every if each.takes_a_body):
        headers = {"Content-Type": "application/json"}
        answer = await well_formed_answer(
            visit,
            operation.method,
            operation.service,
            operation.path.format(**ids),
            token=me,
            data=pieces() if chunked else b" " * (64 * 1024 + 1),
            headers=headers,
        )
        assert answer.status == 413, str(operation)


@pytest.mark.parametrize("value", IDS, ids=[ascii(each)[:40] for each in IDS])
async def test_an_invalid_or_unknown_id_is_refused(
    visit: Visit, every: list[Operation], ids: dict[str, str], me: str, value: str
) -> None:
    for operation in every:
        for name in operation.parameters("path"):
            path = operation.path.format(**ids | {name: quote(value, safe="")})
            body = GOOD.get(str(operation))
            answer = await well_formed_answer(visit, operation.method, operation.service, path, token=me, json=body)
            harmless = operation.method == "DELETE" and answer.status == 204 and name == "product_id"
            unsigned = "{carrier}" in operation.path and answer.status == 401
            assert answer.status in (400, 404, 405, 422) or harmless or unsigned, (path, answer.raw)
            assert "X-Evil" not in answer.headers


async def test_an_invalid_query_is_refused(visit: Visit, every: list[Operation], ids: dict[str, str], me: str) -> None:
    wrong = {
        "limit": ("0", "-1", "101", "1e3", "x", "", "9" * 5000, "1;drop table products", "\0"),
        "cursor": ("x", "'", "bnVsbA", "bnVsbA==x", "e30", "WzFd", "Im5vIHV1aWQi", "a" * 5000, "\0", "💡"),
        "search": ("\0", "x" * 201),
        "category": ("\0", "x" * 65),
        "discontinued": ("maybe", "\0"),
        "group": ("x", "g" * 12, "g" + "0" * 12, "\0"),
        "bodies": ("maybe", "\0"),
        "last": ("x", "-1", "", "9" * 30, "\0"),
        "state": ("lost", "", "\0"),
        "subject": ("", "\0", "x" * 5000),
        "event": ("x", "\0", "00000000"),
    }
    asked = 0
    for operation in every:
        for name in operation.parameters("query"):
            for value in wrong[name]:
                path = operation.path.format(**ids)
                url = f"{path}?{name}={quote(value)}"
                answer = await well_formed_answer(visit, operation.method, operation.service, url, token=me)
                assert answer.status == 422, (str(operation), url[:100], answer.raw)
                asked += 1
    assert asked > 100


async def test_a_search_text_is_never_executed_as_sql(visit: Visit) -> None:
    nowhere = f" {uuid4().hex[:12]}"
    everything = (await well_formed_answer(visit, "GET", "catalog", "/products?limit=1")).json["items"]
    for words in (
        "' or '1'='1",
        "x') or 1=1 --",
        "'; drop table products; --",
        "%",
        "_",
        "\\",
        "a & | ! ( ) <-> :*",
        "((((",
        "'''",
        "&",
        "\ud7ff\u2028\u202e",
        "\x01\x02\x1b[31m",
        "😀" * 100,
    ):
        for name in ("search", "category"):
            answer = await well_formed_answer(
                visit, "GET", "catalog", f"/products?{name}={quote(words[:50] + nowhere)}"
            )
            assert (answer.status, answer.json["items"]) == (200, []), words
    assert (await well_formed_answer(visit, "GET", "catalog", "/products?limit=1")).json["items"] == everything


async def test_a_foreign_or_changed_cursor_reveals_nothing(
    visit: Visit, every: list[Operation], ids: dict[str, str], me: str
) -> None:
    first = (await well_formed_answer(visit, "GET", "catalog", "/products?limit=1")).json
    cursor = first["next_cursor"]
    if cursor is None:
        await visit.product()
        cursor = (await well_formed_answer(visit, "GET", "catalog", "/products?limit=1")).json["next_cursor"]
    for operation in (each for each in every if "cursor" in each.parameters("query")):
        for value in (cursor, cursor[:-1], cursor[1:], cursor.swapcase(), cursor + "A", cursor * 2):
            answer = await well_formed_answer(
                visit, "GET", operation.service, f"{operation.path}?cursor={quote(value)}", token=me
            )
            assert answer.status in (200, 422), (str(operation), value)
            if operation.service != "catalog" and answer.status == 200:
                assert answer.json["items"] == []


@pytest.mark.parametrize("key", ["a b", "é", "x" * 256, "\t"])
async def test_an_invalid_idempotency_key_is_refused(
    visit: Visit, every: list[Operation], ids: dict[str, str], me: str, key: str
) -> None:
    for operation in (each for each in every if each.method == "POST"):
        path = operation.path.format(**ids)
        headers = {"Idempotency-Key": key}
        answer = await well_formed_answer(
            visit, "POST", operation.service, path, token=me, json=GOOD.get(str(operation)), headers=headers
        )
        assert (answer.status, answer.slug) == (400, "invalid-idempotency-key"), str(operation)


OPERATORS: dict[str, tuple[Hostile, ...]] = {
    "/ops/republish": (
        {"since": "yesterday"},
        {"since": "2026-01-01T00:00:00"},
        {"until": 10**30},
        {"after": "1"},
        {"mine": 1},
    ),
    "/ops/history": (
        {},
        {"id": 1},
        *(
            {"id": "0193a8a7-0000-7000-8000-000000000000", **wrong}
            for wrong in (
                {"to": "nobody"},
                {"to": "orders\0"},
                {"events": ""},
                {"events": "\0"},
                {"events": "nothing-like-it"},
                {"offset": -1},
                {"offset": 2**63},
                {"since": "2h"},
                {"since": "2020-01-01T00:00:00Z"},
                {"since": "0001-01-01T00:00:00+14:00"},
                {"since": "2999-01-01T00:00:00Z", "offset": 1},
                {"rate": 0},
                {"rate": 0.5},
                {"mine": 1},
            )
        ),
    ),
    "/ops/replays": (
        {},
        {"all": "perhaps"},
        {"ids": []},
        {"ids": [0]},
        {"ids": [2**63]},
        {"ids": ["1; drop table products"]},
        {"ids": list(range(1, 300))},
        {"ids": [1], "all": True},
        {"group": "'"},
        {"all": True, "after": -1},
        {"all": True, "mine": 1},
    ),
    "/ops/discards": ({"ids": [1]}, {"ids": [1], "note": ""}, {"ids": [1], "note": "x" * 5000}, {"note": "why"}),
    "/ops/dead-letters/1/edit": ({}, {"note": "why"}, {"body": {}, "type": 1}, {"body": {}, "mine": 1}),
    "/ops/dead-letters/0/edit": ({"body": {}, "note": "why"},),
    "/ops/dead-letters/x/edit": ({"body": {}, "note": "why"},),
}


@pytest.mark.parametrize("path", OPERATORS)
async def test_invalid_requests_of_operators_are_refused(visit: Visit, me: str, path: str) -> None:
    raws = [*(json.dumps(each).encode() for each in OPERATORS[path]), *NOT_JSON.values()]
    for raw in raws:
        headers = {"Content-Type": "application/json"}
        answer = await well_formed_answer(visit, "POST", "catalog", path, token=me, data=raw, headers=headers)
        assert answer.status in (400, 422), (raw[:200], answer.raw)
    assert (await well_formed_answer(visit, "POST", "catalog", path, token=me, data=b"{}")).status == 415
