"""A client cannot set headers that the gateway or services might trust."""

from tests.integration.gateway.running import Running

SPOOFED = {
    "X-Verified-User": "root",
    "X-Verified-Roles": "seller",
    "X-JWT-Payload": "e30",
    "X-Forwarded-For": "9.9.9.9",
    "X-Forwarded-Host": "evil.example",
    "X-Forwarded-Proto": "https",
    "X-Forwarded-Port": "1",
    "X-Forwarded-Client-Cert": "By=me",
    "Forwarded": "for=9.9.9.9;host=evil.example",
    "X-Real-IP": "9.9.9.9",
    "X-Client-Trace-Id": "mine",
    "X-Request-Id": "mine",
    "X-Envoy-Attempt-Count": "3",
    "X-Envoy-Decorator-Operation": "evil",
    "X-Envoy-External-Address": "9.9.9.9",
    "X-Envoy-Force-Trace": "1",
    "X-Envoy-Internal": "true",
    "X-Envoy-IP-Tags": "evil",
    "X-Envoy-Max-Retries": "9",
    "X-Envoy-Original-Path": "/ops",
    "X-Envoy-Original-Host": "evil.example",
    "X-Envoy-Retry-On": "5xx",
    "X-Envoy-Upstream-Alt-Stat-Name": "evil",
    "X-Envoy-Upstream-Rq-Timeout-Ms": "1",
}
SET_BY_THE_GATEWAY = {"x-forwarded-for", "x-forwarded-proto", "x-request-id", "x-envoy-external-address"}


async def test_they_do_not_reach_the_service(gateway: Running) -> None:
    for token in (None, gateway.issuer.token("ada")):
        answer = await gateway.request("GET", "/public", token, headers=SPOOFED)
        assert answer.status == 200
        assert {each for each in answer.seen if each.startswith("x-") or each == "forwarded"} == SET_BY_THE_GATEWAY
        spoofed = set(SPOOFED.values()) - {"1", "3", "9"}
        assert not any(value in spoofed for value in answer.seen.values()), answer.seen
        assert (answer.seen["x-envoy-external-address"], answer.seen["x-forwarded-proto"]) == ("127.0.0.1", "http")
        assert "," not in answer.seen["x-forwarded-for"]


async def test_a_client_cannot_shorten_the_gateways_timeout_or_make_it_retry(gateway: Running) -> None:
    """Envoy obeys such headers of clients that it believes to be internal."""
    before = len(gateway.echo.requests)
    headers = {"X-Do": "refuse slowly", "X-Envoy-Upstream-Rq-Timeout-Ms": "1", "X-Envoy-Retry-On": "5xx"}
    answer = await gateway.request("POST", "/public", headers=headers)
    assert (answer.status, answer.json["method"]) == (503, "POST")  # the service's own answer
    assert gateway.echo.requests[before:] == ["POST /public"]


async def test_the_service_does_not_receive_how_the_gateway_knows_the_user(gateway: Running) -> None:
    answer = await gateway.request("GET", "/mine", gateway.issuer.token("ada"))
    assert not any(value == "ada" for value in answer.seen.values())


async def test_hop_by_hop_headers_are_not_passed_on(gateway: Running) -> None:
    answer = await gateway.send(b"GET /public HTTP/1.1\r\nHost: x\r\nX-Mine: 1\r\nConnection: close, x-mine\r\n\r\n")
    assert not {"x-mine", "connection"} & answer.seen.keys()
