"""The gateway serves HTTPS and HTTP/2, with a certificate that a client can verify."""

import asyncio
import json
import shutil
import ssl
import subprocess

import aiohttp
import pytest

from tests.integration.gateway.running import Running

CURL = shutil.which("curl")
HAS_HTTP2 = bool(CURL) and "HTTP2" in subprocess.run([CURL, "-V"], capture_output=True, text=True, check=True).stdout


@pytest.fixture
def trusting(gateway: Running) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=gateway.configuration.authority)


def base(gateway: Running, host: str = "127.0.0.1") -> str:
    return f"https://{host}:{gateway.configuration.tls_port}"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_a_client_that_trusts_the_authority_is_served(
    gateway: Running, trusting: ssl.SSLContext, host: str
) -> None:
    async with aiohttp.ClientSession() as session, session.get(base(gateway, host) + "/public", ssl=trusting) as answer:
        assert answer.status == 200
        assert ["x-forwarded-proto", "https"] in (await answer.json())["headers"]


async def test_without_the_authority_a_client_refuses(gateway: Running) -> None:
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await session.get(base(gateway) + "/public")


@pytest.mark.parametrize(("offered", "chosen"), [(["h2", "http/1.1"], "h2"), (["http/1.1"], "http/1.1")])
async def test_the_client_chooses_the_version_of_http(
    gateway: Running, trusting: ssl.SSLContext, offered: list[str], chosen: str
) -> None:
    trusting.set_alpn_protocols(offered)
    _, writer = await asyncio.open_connection("127.0.0.1", gateway.configuration.tls_port, ssl=trusting)
    tls = writer.get_extra_info("ssl_object")
    assert (tls.selected_alpn_protocol(), tls.version()) == (chosen, "TLSv1.3")
    writer.close()
    await writer.wait_closed()


@pytest.mark.skipif(not HAS_HTTP2, reason="needs a curl with HTTP/2")
async def test_a_request_over_http_2_is_served(gateway: Running) -> None:
    options = ["--http2", "--cacert", gateway.configuration.authority, "-w", r"\n%{http_version} %{http_code}"]
    headers = ["-H", f"Authorization: Bearer {gateway.issuer.token('ada')}", "-H", "X-Verified-User: root"]
    for path, outcome in (("/mine", "2 200"), ("/nothing", "2 404")):
        command = [CURL, "-sS", *options, *headers, base(gateway) + path]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
        body, seen = done.stdout.rsplit("\n", 1)
        assert seen == outcome
        assert "root" not in json.dumps(json.loads(body))
