"""Bad input to every route of the running services: 4xx and a problem document, and nothing happens."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from copy import deepcopy
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import pytest

from tests.system.asking import PROBLEM, Answer, Operation, ask, operations, token_for
from tests.system.marketplace import Marketplace, Visit, until

OPERATOR_WORK = "/ops/rebuild"
"""Takes no input, and would be done a hundred times."""

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
}
"""A good body for each route that takes one; the carriers' is signed and has a file of its own."""

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
"""As the value of any member."""
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
"""Of things that nobody has."""

Hostile = dict[str, Any]


@pytest.fixture(scope="module")
async def visit(marketplace: Marketplace) -> AsyncIterator[Visit]:
    async with Visit(marketplace) as http:
        yield http


@pytest.fixture(scope="module")
async def every(visit: Visit) -> list[Operation]:
    return [each for each in await operations(visit) if each.path != OPERATOR_WORK]


@pytest.fixture(scope="module")
async def ids(visit: Visit) -> dict[str, str]:
    """For the parameters of paths: things that the one who asks owns, where they can be had at once."""
    seller, product_id = await visit.product()
    me = seller.subject
    return {"customer": me, "person": me, "product_id": product_id, "order_id": str(uuid4()), "carrier": "a"}


@pytest.fixture(scope="module")
async def me(visit: Visit, ids: dict[str, str]) -> str:
    """A token that may do anything with `ids`, so that input is what is judged."""
    return await token_for(visit, ids["customer"], "seller", "operator")


def mutations(good: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Where a value can be exchanged, and for what."""
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
    path = operation.path.format(**ids)
    headers = {"Content-Type": media_type}
    return await ask(visit, operation.method, operation.service, path, token=token, data=raw, headers=headers)


def bodies(every: list[Operation]) -> list[Operation]:
    """Those that read JSON."""
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


async def test_members_that_nobody_asked_for_are_refused(
    visit: Visit, every: list[Operation], ids: dict[str, str], me: str
) -> None:
    """A client sets no price of its own, no status, no owner."""
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


async def test_members_that_are_missing_are_named(
    visit: Visit, every: list[Operation], ids: dict[str, str], me: str
) -> None:
    for operation in bodies(every):
        answer = await send(visit, operation, ids, me, b"{}")
        assert answer.status == 422
        assert answer.json["errors"], str(operation)


@pytest.mark.parametrize("raw", NOT_JSON.values(), ids=NOT_JSON.keys())
async def test_what_is_no_json_object_is_refused(
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
        answer = await ask(
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
async def test_an_id_that_is_none_or_unknown_is_refused(
    visit: Visit, every: list[Operation], ids: dict[str, str], me: str, value: str
) -> None:
    for operation in every:
        for name in operation.parameters("path"):
            path = operation.path.format(**ids | {name: quote(value, safe="")})
            body = GOOD.get(str(operation))
            answer = await ask(visit, operation.method, operation.service, path, token=me, json=body)
            harmless = operation.method == "DELETE" and answer.status == 204 and name == "product_id"
            unsigned = "{carrier}" in operation.path and answer.status == 401
            assert answer.status in (400, 404, 405, 422) or harmless or unsigned, (path, answer.raw)
            assert "X-Evil" not in answer.headers


async def test_a_query_that_makes_no_sense_is_refused(
    visit: Visit, every: list[Operation], ids: dict[str, str], me: str
) -> None:
    wrong = {
        "limit": ("0", "-1", "101", "1e3", "x", "", "9" * 5000, "1;drop table products", "\0"),
        "cursor": ("x", "'", "bnVsbA", "bnVsbA==x", "e30", "WzFd", "Im5vIHV1aWQi", "a" * 5000, "\0", "💡"),
        "search": ("\0", "x" * 201),
        "category": ("\0", "x" * 65),
        "discontinued": ("maybe", "\0"),
    }
    asked = 0
    for operation in every:
        for name in operation.parameters("query"):
            for value in wrong[name]:
                path = operation.path.format(**ids)
                url = f"{path}?{name}={quote(value)}"
                answer = await ask(visit, operation.method, operation.service, url, token=me)
                assert answer.status == 422, (str(operation), url[:100], answer.raw)
                asked += 1
    assert asked > 100


async def test_a_search_is_words_and_never_sql(visit: Visit) -> None:
    nowhere = f" {uuid4().hex[:12]}"
    everything = (await ask(visit, "GET", "catalog", "/products?limit=1")).json["items"]
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
            answer = await ask(visit, "GET", "catalog", f"/products?{name}={quote(words[:50] + nowhere)}")
            assert (answer.status, answer.json["items"]) == (200, []), words
    assert (await ask(visit, "GET", "catalog", "/products?limit=1")).json["items"] == everything


async def test_a_cursor_of_another_list_or_changed_by_hand_gives_nothing_away(
    visit: Visit, every: list[Operation], ids: dict[str, str], me: str
) -> None:
    first = (await ask(visit, "GET", "catalog", "/products?limit=1")).json
    cursor = first["next_cursor"]
    if cursor is None:
        await visit.product()
        cursor = (await ask(visit, "GET", "catalog", "/products?limit=1")).json["next_cursor"]
    for operation in (each for each in every if "cursor" in each.parameters("query")):
        for value in (cursor, cursor[:-1], cursor[1:], cursor.swapcase(), cursor + "A", cursor * 2):
            answer = await ask(visit, "GET", operation.service, f"{operation.path}?cursor={quote(value)}", token=me)
            assert answer.status in (200, 422), (str(operation), value)
            if operation.service != "catalog" and answer.status == 200:
                assert answer.json["items"] == []


async def test_a_method_that_is_not_there_is_405_and_says_what_is(visit: Visit, every: list[Operation]) -> None:
    methods: dict[tuple[str, str], set[str]] = {}
    for operation in every:
        methods.setdefault((operation.service, operation.path), set()).add(operation.method)
    for (service, path), allowed in methods.items():
        for method in {"GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"} - allowed:
            answer = await ask(visit, method, service, path)
            assert (answer.status, set(answer.headers["Allow"].split(", "))) == (405, allowed), (service, method, path)


@pytest.mark.parametrize(
    "headers",
    [
        {"traceparent": "00-" + "0" * 32 + "-" + "0" * 16 + "-00"},
        {"traceparent": "'; drop table products; --"},
        {"traceparent": "x" * 5000, "tracestate": "y" * 5000},
        {
            "Content-Length": "0",
            "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Host": "evil",
            "X-HTTP-Method-Override": "DELETE",
        },
        {"Accept": "text/html", "Accept-Encoding": "identity;q=0, *;q=0", "Accept-Language": "\\"},
        {"Range": "bytes=0-", "If-None-Match": "*", "If-Modified-Since": "never"},
        {"Host": "evil.example", "Origin": "null", "Referer": "javascript:alert(1)"},
        {"Cookie": "a=b; " * 500},
        {"Content-Type": "application/json", "Content-Encoding": "gzip"},
    ],
    ids=",".join,
)
async def test_header_rubbish_changes_no_answer(visit: Visit, headers: dict[str, str]) -> None:
    for service in visit.marketplace.state["services"]:
        plain, odd = (
            await ask(visit, "GET", service, "/openapi.json"),
            await ask(visit, "GET", service, "/openapi.json", headers=headers),
        )
        assert (odd.status, odd.raw) == (200, plain.raw)
        assert "evil" not in str(odd.headers)
        assert "Access-Control-Allow-Origin" not in odd.headers


@pytest.mark.parametrize(
    "head",
    [
        b"\x16\x03\x01 what is this\r\n\r\n",
        b"GET /products/" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /products/\xff HTTP/1.1\r\nHost: a\r\n\r\n",
        b"GET /products HTTP/1.1\r\nHost: a\r\nX: a\0b\r\n\r\n",
        b"POST /products HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /products HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n",
        b"POST /products HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /products HTTP/1.1\r\nHost: a\r\nContent-Length: " + b"9" * 40 + b"\r\n\r\n",
        b"POST /products HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n\r\n",
        b"GET /livez HTTP/1.1\r\nHost: a\r\n" + b"X: a\r\n" * 100_000 + b"\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    ],
    ids=lambda head: ascii(head[:30]),
)
async def test_what_is_hardly_http_is_answered_as_a_problem(visit: Visit, head: bytes) -> None:
    for service in visit.marketplace.state["services"]:
        at = urlsplit(visit.base(service))
        async with asyncio.timeout(20):
            reader, writer = await asyncio.open_connection(at.hostname, at.port)
            writer.write(head)
            answer = await reader.readuntil(b"\r\n\r\n")
            writer.close()
        assert answer.startswith((b"HTTP/1.1 400 ", b"HTTP/1.1 404 ", b"HTTP/1.1 413 ")), answer
        assert PROBLEM.encode() in answer


NAMES = (
    "Robert'); drop table products; --",
    "<script>alert(1)</script><img src=x onerror=alert(1)>",
    "two\nlines",
    "a\r\nBcc: victim@example.org\r\n\r\nHello",
    "2026-01-01T00:00:00.000000Z [error    ] forged",
    "\x1b[31mred\x1b[0m\x07\x08",
    "%s %d %(name)s {0} {name} ${jndi:ldap://x} {{7*7}}",
    "\u202egnp.exe\u2028next\u2029line\u0085more",
    "ünïcödé 💡 \u0000"[:-1] + "e\u0301",
    "=cmd|' /C calc'!A0",
    "\\'\\\"\\n\\0",
)


async def test_names_are_kept_and_shown_to_the_letter_and_no_line_of_a_log_is_forged(visit: Visit) -> None:
    """From the seller through the cart to the mails, for any text that PostgreSQL can hold."""
    seller = await visit.person("seller", name="seller")
    customer = await visit.customer()
    price = {"amount": 100, "currency": "EUR"}
    mark = uuid4().hex
    shown: dict[str, str] = {}
    for name in NAMES:
        full = f"{mark} {name} {mark}\n{mark} forged"
        body = {"name": full, "category": full[:64].strip(), "price": price, "on_hand": 5}
        status, answer = await seller.ask("POST", "catalog", "/products", body)
        assert (status, answer["name"], answer["category"]) == (201, full, full[:64].strip())
        shown[answer["product_id"]] = full
    for product_id, full in shown.items():
        assert (await customer.get("catalog", f"/products/{product_id}"))["name"] == full
        put = f"/carts/{customer.subject}/items/{product_id}"

        async def wanted(put: str = put) -> bool:
            return (await customer.ask("PUT", "cart", put, {"quantity": 1}))[0] == 200

        await until(wanted, 30)
    cart = await customer.get("cart", f"/carts/{customer.subject}")
    assert {line["product_id"]: line["name"] for line in cart["lines"]} == shown
    status, answer = await customer.ask("POST", "cart", f"/carts/{customer.subject}/checkout", {})
    assert status == 202
    await customer.order(answer["order_id"], "delivered")

    async def mailed() -> bool:
        return len(await visit.mails(answer["order_id"])) == 3

    await until(mailed, 20)
    page = await visit.outside("GET", "/mail/messages?after=0&limit=1000")
    assert not any("victim" in str(each["to"]) for each in page["messages"])
    logs = visit.marketplace.home / visit.marketplace.name / "logs"
    for log in logs.iterdir():
        assert not any(line.startswith(mark.encode()) for line in log.read_bytes().split(b"\n")), log.name


async def test_a_key_with_another_body_is_422_and_acts_once(visit: Visit) -> None:
    seller = await token_for(visit, f"seller-{uuid4().hex}", "seller")
    good, key = GOOD["catalog POST /products"], {"Idempotency-Key": str(uuid4())}
    first = await ask(visit, "POST", "catalog", "/products", token=seller, json=good, headers=key)
    again = await ask(visit, "POST", "catalog", "/products", token=seller, json=good, headers=key)
    other = await ask(visit, "POST", "catalog", "/products", token=seller, json=good | {"on_hand": 2}, headers=key)
    assert (first.status, again.status, again.raw) == (201, 201, first.raw)
    assert again.headers["Location"] == first.headers["Location"] == f"/products/{first.json['product_id']}"
    assert (other.status, other.slug) == (422, "idempotency-key-reused")
    rival = await token_for(visit, f"seller-{uuid4().hex}", "seller")
    theirs = await ask(visit, "POST", "catalog", "/products", token=rival, json=good, headers=key)
    assert (theirs.status, "Idempotency-Replayed" in theirs.headers) == (201, False)


async def test_a_storm_of_one_checkout_places_one_order(visit: Visit) -> None:
    _, product_id = await visit.product(on_hand=5)
    customer = await visit.customer()
    put = f"/carts/{customer.subject}/items/{product_id}"
    assert (await customer.ask("PUT", "cart", put, {"quantity": 1}))[0] == 200
    token, key = await token_for(visit, customer.subject), {"Idempotency-Key": str(uuid4())}
    path = f"/carts/{customer.subject}/checkout"
    answers = await asyncio.gather(*(ask(visit, "POST", "cart", path, token=token, headers=key) for _ in range(30)))
    assert {answer.status for answer in answers} <= {202, 409}
    assert {answer.slug for answer in answers if answer.status == 409} <= {"idempotency-key-in-flight"}
    orders = {answer.json["order_id"] for answer in answers if answer.status == 202}
    assert len(orders) == 1
    late = await ask(visit, "POST", "cart", path, token=token, headers=key)
    assert (late.status, late.headers["Idempotency-Replayed"]) == (202, "true")
    assert late.headers["Location"] == f"/orders/{late.json['order_id']}"
    await customer.order(*orders, "delivered")
    assert len((await customer.get("checkout", "/orders"))["items"]) == 1


@pytest.mark.parametrize("key", ["a b", "é", "x" * 256, "\t"])
async def test_a_key_that_is_none_is_refused(
    visit: Visit, every: list[Operation], ids: dict[str, str], me: str, key: str
) -> None:
    for operation in (each for each in every if each.method == "POST"):
        path = operation.path.format(**ids)
        headers = {"Idempotency-Key": key}
        answer = await ask(
            visit, "POST", operation.service, path, token=me, json=GOOD.get(str(operation)), headers=headers
        )
        assert (answer.status, answer.slug) == (400, "invalid-idempotency-key"), str(operation)


async def test_a_price_that_the_client_invents_changes_nothing(visit: Visit) -> None:
    """The checkout takes no body: what is in one is not looked at."""
    _, product_id = await visit.product(cents=1999)
    customer = await visit.customer()
    put = f"/carts/{customer.subject}/items/{product_id}"
    assert (await customer.ask("PUT", "cart", put, {"quantity": 2}))[0] == 200
    lie = {"total": {"amount": 1, "currency": "EUR"}, "lines": [], "order_id": str(uuid4()), "status": "delivered"}
    status, answer = await customer.ask("POST", "cart", f"/carts/{customer.subject}/checkout", lie)
    assert (status, answer["order_id"] == lie["order_id"]) == (202, False)
    order = await customer.order(answer["order_id"], "delivered")
    assert order["total"] == {"amount": 2 * 1999, "currency": "EUR"}
    lie = {"status": "placed", "reason": "customer"}
    assert (await customer.ask("POST", "checkout", f"/orders/{answer['order_id']}/cancel", lie))[0] == 409
    assert (await customer.get("checkout", f"/orders/{answer['order_id']}"))["status"] == "delivered"
