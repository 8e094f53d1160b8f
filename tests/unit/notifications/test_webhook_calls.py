"""Webhook requests and the addresses that they never reach, with real sockets on this machine and faked look-ups."""

import asyncio
import json
import socket
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from standardwebhooks import Webhook, WebhookVerificationError

from contracts.checkout import OrderDeliveredV1
from marketplace_runtime.resilience import BulkheadFull
from marketplace_runtime.testing.in_memory_transaction import envelope_for
from notifications.webhooks import gateways
from notifications.webhooks.domain import Answer, BadTarget, new_secret
from notifications.webhooks.gateways import Message, Turn, WebhookSender, check_target, signed_headers
from notifications.webhooks.handlers import WEBHOOK_EVENTS, person_in, to_cloudevent_json
from notifications.webhooks.settings import Webhooks

DOCUMENT = Path(__file__).parents[3] / "docs" / "webhooks.md"
PUBLIC = "93.184.216.34"
LOCAL, STRICT = Webhooks(webhook_private_targets=True, webhook_timeout_s=1), Webhooks(webhook_timeout_s=1)
Seen = list[web.Request]


@asynccontextmanager
async def a_receiver(context: ssl.SSLContext | None = None) -> AsyncIterator[tuple[int, Seen]]:
    """Run a server on loopback that answers 204 to everything. Yields its port and the requests that it received."""
    seen: Seen = []

    async def take(request: web.Request) -> web.Response:
        await request.read()
        seen.append(request)
        if request.path == "/elsewhere":
            return web.Response(status=302, headers={"Location": "/hook"})
        return web.Response(status=204)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", take)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    try:
        yield runner.addresses[0][1], seen
    finally:
        await runner.cleanup()


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Return a function that sets the addresses of each look-up of a name. The last addresses stay."""
    real = socket.getaddrinfo

    def set_addresses(**by_name: list[list[str]]) -> None:
        def getaddrinfo(host: str, port: int, *rest: int) -> object:
            turns = by_name.get(host.partition(".")[0])
            if turns is None:
                return real(host, port, *rest)
            found = turns.pop(0) if len(turns) > 1 else turns[0]
            if not found:
                raise socket.gaierror(socket.EAI_NONAME, "no such name")
            return [each for address in found for each in real(address, port, 0, socket.SOCK_STREAM)]

        monkeypatch.setattr(gateways.socket, "getaddrinfo", getaddrinfo)

    return set_addresses


async def send(url: str, settings: Webhooks = LOCAL) -> Answer:
    webhook_sender = WebhookSender(settings)
    try:
        [answer] = await webhook_sender.send(Turn(url, [new_secret()], [Message(uuid4(), "{}")]))
    finally:
        await webhook_sender.close()
    return answer


def test_the_reference_implementation_verifies_the_signature_of_every_secret() -> None:
    old, new, message = new_secret(), new_secret(), Message(uuid4(), '{"who":"Zoë"}')
    headers = signed_headers([new, old], message, datetime.now(UTC))
    for secret in (old, new):
        assert Webhook(secret).verify(message.body, headers) == {"who": "Zoë"}
    for wrong in (headers | {"webhook-id": str(uuid4())}, headers | {"webhook-timestamp": "1"}):
        with pytest.raises(WebhookVerificationError):
            Webhook(new).verify(message.body, wrong)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(message.body + " ", headers)


def test_the_code_in_the_documentation_verifies_our_signatures() -> None:
    page = DOCUMENT.read_text()
    code: dict[str, Any] = {}
    exec(page.partition("```python")[2].partition("```")[0], code)
    old, new, message = new_secret(), new_secret(), Message(uuid4(), '{"who": "Zoë"}')
    headers = signed_headers([new, old], message, datetime.now(UTC))
    for secret in (old, new):
        code["verify"](secret, headers, message.body.encode())
    late = signed_headers([new], message, datetime.now(UTC) - timedelta(minutes=6))
    for secret, wrong, body in (
        (new_secret(), headers, message.body.encode()),
        (new, headers, b"{}"),
        (new, headers | {"webhook-id": "x"}, message.body.encode()),
        (new, late, message.body.encode()),
    ):
        with pytest.raises(ValueError):
            code["verify"](secret, wrong, body)


def test_the_documentation_names_every_event_of_webhooks() -> None:
    listed = DOCUMENT.read_text().partition("The list:")[2].partition("\n\n")[0]
    for event in WEBHOOK_EVENTS:
        publisher, name, _ = event.type.split(".")
        assert f".{name}`" in listed, event.type
        assert f"`{publisher}." in listed, event.type


def test_the_body_is_a_cloud_event() -> None:
    event = OrderDeliveredV1(order_id=uuid4(), customer_id="ada")
    envelope = envelope_for(event)
    assert json.loads(to_cloudevent_json(event, envelope)) == {
        "specversion": "1.0",
        "id": str(envelope.id),
        "type": "checkout.order-delivered.v1",
        "source": "checkout",
        "subject": str(event.order_id),
        "time": envelope.time.isoformat(),
        "datacontenttype": "application/json",
        "data": {"order_id": str(event.order_id), "customer_id": "ada"},
    }
    assert person_in(event) == "ada"


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "inside.test", "mixed.test"])
async def test_a_private_address_is_never_called(host: str, names: Callable[..., None]) -> None:
    names(inside=[["127.0.0.1"]], mixed=[["::1", "127.0.0.1"]])
    async with a_receiver() as (port, seen):
        url = f"https://{host}:{port}/hook"
        with pytest.raises(BadTarget):
            await check_target(url, STRICT)
        answer = await send(url, STRICT)
    assert (answer.status, seen) == (None, [])
    assert answer.failure_text in (gateways.NO_PUBLIC_ADDRESS, "127.0.0.1 is no public address.")


async def test_a_name_that_becomes_private_after_the_check_is_not_called(names: Callable[..., None]) -> None:
    names(rebound=[[PUBLIC], ["127.0.0.1"]])
    async with a_receiver() as (port, seen):
        url = f"https://rebound.test:{port}/hook"
        await check_target(url, STRICT)
        answer = await send(url, STRICT)
    assert (answer.status, answer.failure_text, seen) == (None, gateways.NO_PUBLIC_ADDRESS, [])


async def test_each_call_looks_up_the_name_once_and_uses_that_address(names: Callable[..., None]) -> None:
    names(pinned=[["127.0.0.1"], []])
    async with a_receiver() as (port, seen):
        assert (await send(f"http://pinned.test:{port}/hook?key=1")).accepted
        assert (seen[0].host, seen[0].path_qs) == (f"pinned.test:{port}", "/hook?key=1")
        assert (await send(f"http://pinned.test:{port}/hook")).failure_text == gateways.NO_PUBLIC_ADDRESS


async def test_the_error_does_not_reveal_whether_a_private_name_exists(names: Callable[..., None]) -> None:
    names(inside=[["10.0.0.7"]], nowhere=[[]])
    errors = set()
    for name in ("inside", "nowhere"):
        with pytest.raises(BadTarget) as refused:
            await check_target(f"https://{name}.test/", STRICT)
        errors.add(str(refused.value).removeprefix(name))
    assert errors == {".test: this name was not found, or leads to an address that is not public."}


async def test_slow_name_servers_block_at_most_a_few_registrations(monkeypatch: pytest.MonkeyPatch) -> None:
    answered = threading.Event()
    monkeypatch.setattr(gateways.socket, "getaddrinfo", lambda *_: answered.wait(30) and [])
    async with asyncio.TaskGroup() as group:
        for _ in range(4):
            group.create_task(check_target("https://slow.test/", STRICT))
        await asyncio.sleep(0)
        with pytest.raises(BulkheadFull):
            await check_target("https://slow.test/", STRICT)
        answered.set()


async def test_a_redirect_is_not_followed() -> None:
    async with a_receiver() as (port, seen):
        answer = await send(f"http://127.0.0.1:{port}/elsewhere")
    assert (answer.status, answer.accepted, [each.path for each in seen]) == (302, False, ["/elsewhere"])


async def test_an_endless_answer_is_bounded_in_memory_and_time() -> None:
    """One endpoint never stops answering, and one never starts."""
    body_sent = 0

    async def answer_endlessly(request: web.Request) -> web.StreamResponse:
        nonlocal body_sent
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while body_sent < 1 << 30:
                await response.write(b"x" * 65536)
                body_sent += 65536
        except ConnectionError:
            pass
        return response

    app = web.Application()
    app.router.add_post("/", answer_endlessly)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    assert (await send(f"http://127.0.0.1:{runner.addresses[0][1]}/")).accepted
    await runner.cleanup()
    assert body_sent < 1 << 25
    with socket.create_server(("127.0.0.1", 0)) as silent:
        answer = await send(f"http://127.0.0.1:{silent.getsockname()[1]}/")
    assert answer.failure_text == "no answer within 1 s"


async def test_a_certificate_must_be_valid_for_the_host_name(
    names: Callable[..., None], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names(mine=[["127.0.0.1"]], other=[["127.0.0.1"]])
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(a_certificate("mine.test", tmp_path))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "mine.test.pem"))
    async with a_receiver(context) as (port, seen):
        assert (await send(f"https://mine.test:{port}/hook")).accepted
        assert len(seen) == 1
        for host in ("other.test", "127.0.0.1"):
            assert (await send(f"https://{host}:{port}/hook")).status is None
        monkeypatch.delenv("SSL_CERT_FILE")
        assert (await send(f"https://mine.test:{port}/hook")).status is None
    assert len(seen) == 1


def a_certificate(host: str, directory: Path) -> Path:
    """Write a key and a self-signed certificate to one file."""
    key, name = ec.generate_private_key(ec.SECP256R1()), x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = directory / f"{host}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(private + certificate.public_bytes(serialization.Encoding.PEM))
    return file
