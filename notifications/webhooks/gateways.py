"""The endpoints' side: how a signed request leaves, and where it may never go.

Of an answer only its status and `Retry-After` are read; no redirect is followed, and no cookie kept. Names are looked
up on threads of our own, as a slow name server would otherwise hold the look-ups of everyone.
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

from marketplace_runtime.resilience import Bulkhead, wait_s
from notifications.webhooks.domain import Answer, BadTarget, is_public, target_of
from notifications.webhooks.settings import Webhooks

LOOK_UP_S = 3.0
"""For the look-up of a host while its owner waits for an answer."""
ASKS_FOR_REST, LONGEST_REST_S = (429, 503), 3600.0
"""Answers whose `Retry-After` is honoured, up to an hour."""
NOWHERE = "this name was not found, or leads to an address that is not public"
"""One text for both: what names there are inside is nobody's business."""
_checks = Bulkhead("webhook-checks", 4, max_wait_s=0.1)
"""Look-ups for people who wait meanwhile, with a connection of the database in hand."""
_threads = ThreadPoolExecutor(max_workers=16, thread_name_prefix="webhook-names")


@dataclass(frozen=True, slots=True)
class Message:
    """One event, as it is sent."""

    event_id: UUID
    body: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Turn:
    """What one endpoint is sent now."""

    url: str = field(repr=False)
    secrets: Sequence[str] = field(repr=False)
    """Each signs, the newest first."""
    messages: Sequence[Message]


class NotPublic(OSError):
    """A host's address is none of the public's. An OSError, as a failed connection is one."""


class Names(AbstractResolver):
    """Looks hosts up; what it finds is judged where a connection is made."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        look_up = partial(socket.getaddrinfo, host, port, family, socket.SOCK_STREAM)
        found = await asyncio.get_running_loop().run_in_executor(_threads, look_up)
        return [
            ResolveResult(
                hostname=host, host=str(address[0]), port=port, family=family, proto=proto, flags=socket.AI_NUMERICHOST
            )
            for family, _, proto, _, address in found
        ]

    async def close(self) -> None:
        """Nothing is open."""


class Poster:
    """Sends webhooks, each over a connection of its own to an address that was judged for it."""

    def __init__(self, settings: Webhooks) -> None:
        self._settings = settings
        self._http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # turns are the limit
                force_close=True,
                resolver=Names(),
                use_dns_cache=False,
                socket_factory=self._socket,
                ssl=ssl.create_default_context(),
            ),
            timeout=aiohttp.ClientTimeout(total=settings.webhook_timeout_s),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
        )

    async def send(self, turn: Turn) -> Sequence[Answer]:
        """Send the messages side by side. Returns what came of each; failures are answers, too."""
        return await asyncio.gather(*(self._send(turn, message) for message in turn.messages))

    async def close(self) -> None:
        await self._http.close()

    async def _send(self, turn: Turn, message: Message) -> Answer:
        answer = partial(Answer, message.event_id, None)
        try:
            target_of(turn.url, private=self._settings.webhook_private_targets)
            url, headers = URL(turn.url, encoded=True), signed(turn.secrets, message, datetime.now(UTC))
            async with self._http.post(
                url, data=message.body.encode(), headers=headers, allow_redirects=False
            ) as response:
                status, rest = response.status, response.headers.get("Retry-After")
                response.close()  # whatever else it has to say
                if rest is None or status not in ASKS_FOR_REST:
                    return Answer(message.event_id, status)
                rest_s = wait_s(rest, datetime.now(UTC), LONGEST_REST_S)
                return Answer(message.event_id, status, rest=timedelta(seconds=rest_s))
        except BadTarget as error:
            return answer(str(error))
        except TimeoutError:
            return answer(f"no answer within {self._settings.webhook_timeout_s:g} s")
        except aiohttp.ClientConnectorError as error:
            hidden = isinstance(error.os_error, NotPublic | socket.gaierror)
            return answer(NOWHERE if hidden else f"no connection: {type(error.os_error).__name__}")
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return answer(f"no answer: {type(error).__name__}")

    def _socket(self, found: aiohttp.AddrInfoType) -> socket.socket:
        """The socket for a connection to just this address: after the look-up, so that no other can be slipped in."""
        family, type, proto, _, address = found
        refuse_private(str(address[0]), private=self._settings.webhook_private_targets)
        return socket.socket(family, type, proto)


def signed(secrets: Sequence[str], message: Message, at: datetime) -> dict[str, str]:
    """Headers after https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md."""
    id = str(message.event_id)
    signatures = [Webhook(secret).sign(id, at, message.body) for secret in secrets]
    return {
        "Content-Type": "application/cloudevents+json",
        "User-Agent": "marketplace-webhooks/1",
        "webhook-id": id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def refuse_private(address: str, *, private: bool) -> None:
    """Raise NotPublic unless we may connect to this address."""
    if not (private or is_public(address)):
        raise NotPublic(NOWHERE)


async def check(url: str, settings: Webhooks) -> None:
    """Raise BadTarget unless webhooks could be sent there as things are now, or BulkheadFull."""
    private = settings.webhook_private_targets
    target = target_of(url, private=private)
    try:
        async with _checks, asyncio.timeout(LOOK_UP_S):
            found = await Names().resolve(target.host, target.port)
        for each in found:
            refuse_private(each["host"], private=private)
    except (OSError, TimeoutError, UnicodeError):
        raise BadTarget(f"{target.host}: {NOWHERE}.") from None


@asynccontextmanager
async def connect() -> AsyncIterator[Poster]:
    """Open what lives as long as the service does."""
    poster = Poster(Webhooks())
    try:
        yield poster
    finally:
        await poster.close()
