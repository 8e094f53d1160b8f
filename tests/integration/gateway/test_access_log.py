"""The gateway logs each request in one line, under the trace that the service continues."""

import json
from pathlib import Path
from typing import Any

from tests.integration.gateway.running import Running, running_gateway

TRACE = "0af7651916cd43dd8448eb211c80319c"


async def requests(gateway: Running) -> list[str]:
    """Send some requests. Returns the trace ids that the service received."""
    await gateway.wait_for_keys()
    continued = {"traceparent": f"00-{TRACE}-b7ad6b7169203331-01"}
    answers = [
        await gateway.request("GET", "/public", headers=continued),
        await gateway.request("GET", "/mine?access_token=secret", gateway.issuer.token("ada")),
    ]
    await gateway.request("GET", "/mine", headers=continued)
    await gateway.request("GET", '/nothing/%22%0a{"status":200}')
    return [each.seen["traceparent"].split("-")[1] for each in answers]


async def test_each_request_has_one_line_with_its_trace(tmp_path: Path) -> None:
    async with running_gateway(tmp_path) as gateway:
        received = await requests(gateway)
    assert received[0] == TRACE
    assert len(received[1]) == 32
    assert received[1] != TRACE

    text = gateway.gateway.log.read_text()
    assert "secret" not in text
    public, mine, refused, nothing = access_log(text)[-4:]
    assert [public["trace_id"], mine["trace_id"], refused["trace_id"]] == [*received, TRACE]
    assert (public["method"], public["path"], public["status"], public["service"]) == ("GET", "/public", 200, "toy")
    assert (public["user"], mine["user"]) == (None, "ada")
    assert (public["client"], public["attempts"], public["protocol"]) == ("127.0.0.1", 1, "HTTP/1.1")
    assert (mine["path"], refused["status"]) == ("/mine", 401)
    assert "jwt_authn" in refused["details"]
    assert (nothing["status"], nothing["service"]) == (404, None)


def access_log(text: str) -> list[dict[str, Any]]:
    return [each for each in map(json.loads, text.splitlines()) if "trace_id" in each]
