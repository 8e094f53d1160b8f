"""Client of webhook endpoints: signs and sends requests, and connects to public addresses only.

Of an answer only the status and `Retry-After` are read. Redirects are not followed, and cookies are not kept. Host
names are resolved in a separate thread pool, as a slow name server would otherwise block all other look-ups.
"""

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from uuid import UUID

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from standardwebhooks import Webhook
from yarl import URL

from marketplace_runtime.resilience import Bulkhead, parse_retry_after
from notifications.webhooks.domain import Answer, BadTarget, is_public, target_of
from notifications.webhooks.settings import Webhooks

LOOKUP_TIMEOUT_S = 3.0
"""Time limit for resolving a host while the owner waits for the answer to their request."""
RETRY_AFTER_STATUSES, MAX_RETRY_AFTER_S = (429, 503), 3600.0
"""Statuses whose `Retry-After` is followed, and the longest pause in seconds, an hour."""
NO_PUBLIC_ADDRESS = "this name was not found, or leads to an address that is not public"
"""One text for both cases, so that nobody can find out which internal names exist."""
_check_bulkhead = Bulkhead("webhook-checks", 4, max_wait_s=0.1)
"""Limits concurrent look-ups by API requests, since each request holds a database connection meanwhile."""
_resolver_threads = ThreadPoolExecutor(max_workers=16, thread_name_prefix="webhook-names")


@dataclass(frozen=True, slots=True)
class Message:
    """An event in the form in which it is sent."""

    event_id: UUID
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """The messages that one endpoint is sent now."""

    url: str = field(repr=False)
    secrets: Sequence[str] = field(repr=False)
    """All of them sign, the newest first."""
    messages: Sequence[Message]


class NotPublic(OSError):
    """The address of a host is not public. It is an OSError, so that it is handled as a failed connection."""


class HostResolver(AbstractResolver):
    """Resolves host names. The addresses found are checked when a connection is made."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        look_up = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(_resolver_threads, look_up)
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=port, family=family, proto=proto, flags=socket.AI_NUMERICHOST
            )
            for family, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Do nothing, as there is nothing to close."""


class WebhookSender:
    """Sends webhooks, each over its own connection to an address that was checked for it."""

    def __init__(self, settings: Webhooks) -> None:
        self._settings = settings
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # the turns limit the number of connections
                force_close=True,
                resolver=HostResolver(),
                use_dns_cache=False,
                socket_factory=self._socket,
                ssl=ssl.create_default_context(),
            ),
            timeout=aiohttp.ClientTimeout(total=settings.webhook_timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def send(self, turn: Turn) -> Sequence[Answer]:
        """Send the messages concurrently. Returns the outcome of each. Failures are outcomes and do not raise."""
        return await asyncio.gather(*(self._send(turn, message) for message in turn.messages))

    async def close(self) -> None:
        await self._http.close()

    async def _send(self, turn: Turn, message: Message) -> Answer:
        failed = partial(Answer, message.event_id, None)
        try:
            target_of(turn.url, allow_private=self._settings.webhook_private_targets)
            url, headers = URL(turn.url, encoded=True), signed_headers(turn.secrets, message, datetime.now(UTC))
            async with self._http.post(
                url, data=message.body.encode(), headers=headers, allow_redirects=False
            ) as response:
                status, retry_after = response.status, response.headers.get("Retry-After")
                response.close()  # without reading the body
                if retry_after is None or status not in RETRY_AFTER_STATUSES:
                    return Answer(message.event_id, status)
                retry_after_s = parse_retry_after(retry_after, datetime.now(UTC), MAX_RETRY_AFTER_S)
                return Answer(message.event_id, status, retry_after=timedelta(seconds=retry_after_s))
        except BadTarget as error:
            return failed(str(error))
        except TimeoutError:
            return failed(f"no answer within {self._settings.webhook_timeout_s:g} s")
        except aiohttp.ClientConnectorError as error:
            hidden = isinstance(error.os_error, NotPublic | socket.gaierror)
            return failed(NO_PUBLIC_ADDRESS if hidden else f"no connection: {type(error.os_error).__name__}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return failed(f"no answer: {type(error).__name__}")

    def _socket(self, found: aiohttp.AddrInfoType) -> socket.socket:
        """Return the socket for a connection. Raises `NotPublic` if the resolved address is not allowed.

        The check comes after the look-up, on the address that is connected to, so that no other can replace it.
        """
        family, type, proto, _, address = found
        refuse_private(str(address[0]), allow_private=self._settings.webhook_private_targets)
        return socket.socket(family, type, proto)


def signed_headers(secrets: Sequence[str], message: Message, at: datetime) -> dict[str, str]:
    """Return the headers of a request, signed with each secret.

    See https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md.
    """
    id = str(message.event_id)
    signatures = [Webhook(secret).sign(id, at, message.body) for secret in secrets]
    return {
        "Content-Type": "application/cloudevents+json",
        "User-Agent": "marketplace-webhooks/1",
        "webhook-id": id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def refuse_private(address: str, *, allow_private: bool) -> None:
    """Raise `NotPublic` unless the address is public, or private ones are allowed."""
    if not (allow_private or is_public(address)):
        raise NotPublic(NO_PUBLIC_ADDRESS)


async def check_target(url: str, settings: Webhooks) -> None:
    """Check that webhooks can be sent to a URL at present.

    Raises `BadTarget` if not, and `BulkheadFull` if too many URLs are being checked.
    """
    allow_private = settings.webhook_private_targets
    target = target_of(url, allow_private=allow_private)
    try:
        async with _check_bulkhead, asyncio.timeout(LOOKUP_TIMEOUT_S):
            found = await HostResolver().resolve(target.host, target.port)
        for each in found:
            refuse_private(each["host"], allow_private=allow_private)
    except (OSError, TimeoutError, UnicodeError):
        raise BadTarget(f"{target.host}: {NO_PUBLIC_ADDRESS}.") from None


@asynccontextmanager
async def connect() -> AsyncIterator[WebhookSender]:
    """Open the client. It lives as long as the service."""
    webhook_sender = WebhookSender(Webhooks())
    try:
        yield webhook_sender
    finally:
        await webhook_sender.close()
