"""Only the exposed routes are reachable, however their paths are written."""

import pytest

from tests.integration.gateway.running import Running

UNEXPOSED = [
    *("/", "/ops", "/ops/counts", "/metrics", "/livez", "/readyz", "/readyz?components=no", "/openapi.json", "/docs"),
    *("/Public", "/public/", "/public.", "/publicly", "/public;x=1", "/public/a/b", "/public/a/", "/minein", "/stats"),
]
ILLEGAL = [
    *("/public/a%2Fb", "/public/a%2fb", "/public/a%5Cb", "/public%2Fmine", "/mine%2f", "/public/..%2fmine"),
    *("/public/%00", "/public/a%00b", "/public/a\0b", "/public/a#b", "/public/\xe9", "*", "mine"),
]
HIDDEN = [
    "/public/../mine",
    "/public/%2e%2e/mine",
    "/public/a/../../mine",
    "/public/./../mine",
    "//mine",
    "/x/..//mine",
]


@pytest.mark.parametrize("path", UNEXPOSED)
async def test_no_other_path_is_exposed(gateway: Running, path: str) -> None:
    for method in ("GET", "POST", "OPTIONS"):
        (await gateway.request(method, path, gateway.issuer.token("ada", "seller"))).is_problem(404, "not-found")


@pytest.mark.parametrize("path", ILLEGAL, ids=ascii)
async def test_an_ambiguous_path_is_refused(gateway: Running, path: str) -> None:
    before = len(gateway.echo.requests)
    answer = await gateway.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode("latin-1"))
    answer.is_problem(400, "bad-request")
    assert len(gateway.echo.requests) == before


@pytest.mark.parametrize("path", HIDDEN)
async def test_a_route_is_protected_however_its_path_is_written(gateway: Running, path: str) -> None:
    request = f"GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer "
    (await gateway.send(f"{request}\r\n\r\n".encode())).is_problem(401, "unauthorized")
    answer = await gateway.send(f"{request}{gateway.issuer.token()}\r\n\r\n".encode())
    assert (answer.status, answer.json["path"]) == (200, "/mine")


@pytest.mark.parametrize(
    ("path", "received"),
    [
        ("/public//a", "/public/a"),
        ("/public\\a", "/public/a"),
        ("/%70ublic", "/public"),
        ("/public/a?b=/../c%2f%00", "/public/a?b=/../c%2f%00"),
        ("/public/%C3%A9%25", "/public/%C3%A9%25"),
        ("/public/%252e%252e", "/public/%252e%252e"),
    ],
)
async def test_the_service_receives_the_path_by_which_the_gateway_judged(
    gateway: Running, path: str, received: str
) -> None:
    answer = await gateway.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    assert (answer.status, answer.json["path"]) == (200, received)


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS", "TRACE", "PATCH", "PUT", "DELETE"])
async def test_another_method_is_refused_with_those_allowed(gateway: Running, method: str) -> None:
    for path, allowed in (("/public", "GET, POST"), ("/public/7", "GET"), ("/sell", "POST")):
        answer = await gateway.request(method, path)
        assert (answer.status, answer.headers["Allow"]) == (405, allowed)
        if method != "HEAD":
            answer.is_problem(405, "method-not-allowed")


@pytest.mark.parametrize("method", ["BREW", "get", "G\tT", ""])
async def test_an_unknown_method_is_refused(gateway: Running, method: str) -> None:
    answer = await gateway.send(f"{method} /public HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    answer.is_problem(400, "bad-request")


async def test_the_gateway_is_no_proxy(gateway: Running) -> None:
    connect = await gateway.send(b"CONNECT evil.example:443 HTTP/1.1\r\nHost: evil.example:443\r\n\r\n")
    connect.is_problem(501, "not-supported")
    absolute = await gateway.send(b"GET http://evil.example/ops/counts HTTP/1.1\r\nHost: x\r\n\r\n")
    absolute.is_problem(404, "not-found")


async def test_upgrades_are_refused(gateway: Running) -> None:
    websocket = b"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n"
    answer = await gateway.send(b"GET /public HTTP/1.1\r\nHost: x\r\n%s\r\n" % websocket)
    answer.is_problem(501, "not-supported")


async def test_an_old_version_of_http_is_refused(gateway: Running) -> None:
    (await gateway.send(b"GET /public HTTP/1.0\r\n\r\n")).is_problem(426, "http-version")
