"""Fetches the identity provider's public keys by OpenID Connect discovery, and keeps them while it is unavailable."""

import asyncio
import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import aiohttp
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePublicKey

from marketplace_runtime.http.problems import Unavailable
from marketplace_runtime.resilience import full_jitter
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

MIN_REFETCH_INTERVAL_S = 10.0
"""Minimum interval of fetches for unknown key ids, so that forged ids cannot load the provider.

Also the pause after a failed fetch while some keys are known.
"""
REFRESH_INTERVAL_S = 300.0
"""Interval of the regular fetches."""
TIMEOUT_S = 3.0
"""Total timeout of one request to the provider."""
MAX_DOCUMENT_BYTES = 256 * 1024
"""Maximum size of a document of the provider in bytes."""
TASK_NAME = "fetching of identity keys"
"""Name of the background tasks, as shown in a list of the process's tasks."""


class SigningKeys:
    """Holds ES256 keys by id. A background task fetches them and never raises."""

    def __init__(self, issuer: str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._clock = clock
        self._keys: dict[str, EllipticCurvePublicKey] = {}
        self._last_tried_at: float | None = None
        self._fetch_lock = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._refresh_task: asyncio.Task[None] | None = None
        self._refetch_task: asyncio.Task[None] | None = None
        self.generation = 0
        """Increases whenever any key is added, removed or replaced."""

    async def start(self) -> None:
        self._session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=TIMEOUT_S))
        self._refresh_task = asyncio.create_task(self._refresh_regularly(), name=TASK_NAME)

    async def close(self) -> None:
        for task in filter(None, (self._refresh_task, self._refetch_task)):
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        if self._session is not None:
            await self._session.close()

    async def find(self, kid: str) -> EllipticCurvePublicKey | None:
        """Return the key with this id, or None if the provider has none. Raises `Unavailable` while no key is known."""
        if kid not in self._keys:
            await self._refetch()
        if not self._keys:
            raise Unavailable("The identity provider has not been reached yet.", retry_after_s=2)
        return self._keys.get(kid)

    async def _refetch(self) -> None:
        """Fetch once for all waiting callers, unless a fetch was tried within the last 10 s.

        A caller that is cancelled does not cancel the fetch for the others.
        """
        if not self._keys and self._last_tried_at is not None:
            return  # the background task retries; requests should not wait for it
        if self._refetch_task is None or self._refetch_task.done():
            self._refetch_task = asyncio.create_task(self._fetch_if_due(), name=TASK_NAME)
        await asyncio.shield(self._refetch_task)

    async def _fetch_if_due(self) -> None:
        async with self._fetch_lock:
            if self._last_tried_at is None or self._clock() - self._last_tried_at >= MIN_REFETCH_INTERVAL_S:
                await self._try_fetch()

    async def _refresh_regularly(self) -> None:
        failures = 0
        while True:
            async with self._fetch_lock:
                failures = 0 if await self._try_fetch() else failures + 1
            if not failures:
                pause = REFRESH_INTERVAL_S
            else:
                pause = MIN_REFETCH_INTERVAL_S if self._keys else 0.1 + full_jitter(failures, 0.2, 2.0)
            await asyncio.sleep(pause)

    async def _try_fetch(self) -> bool:
        try:
            keys = await self._fetch()
        except Exception as error:  # noqa: BLE001 - any error is retried
            log.warning("identity keys not fetched", issuer=self._issuer, error=repr(error), keys=len(self._keys))
            return False
        finally:
            self._last_tried_at = self._clock()
        if keys != self._keys:  # a provider may also replace a key under its old id
            self.generation += 1
        self._keys = keys
        return True

    async def _fetch(self) -> dict[str, EllipticCurvePublicKey]:
        discovery = await self._get(f"{self._issuer.rstrip('/')}/.well-known/openid-configuration")
        if discovery["issuer"] != self._issuer:
            raise ValueError(f"the discovery document is of another issuer: {discovery['issuer']!r}")
        keys = _usable((await self._get(discovery["jwks_uri"]))["keys"])
        if not keys:
            raise ValueError("the provider has no ES256 key")
        return keys

    async def _get(self, url: str) -> dict[str, Any]:
        if self._session is None:
            raise ConnectionError("not started")
        async with self._session.get(url, allow_redirects=False) as response:
            if response.status != 200:
                raise ValueError(f"{url} answered {response.status}")
            read = bytearray()
            async for chunk in response.content.iter_any():
                read += chunk
                if len(read) > MAX_DOCUMENT_BYTES:
                    raise ValueError(f"{url} is too large")
        document = json.loads(read)
        if not isinstance(document, dict):
            raise TypeError(f"{url} is no JSON object")
        return document


def _usable(published: list[Any]) -> dict[str, EllipticCurvePublicKey]:
    """Return the keys that verify ES256 signatures. Skips a provider's other and unreadable keys."""
    usable = {}
    for each in published:
        if not isinstance(each, dict):
            continue
        if each.get("kty") != "EC" or each.get("use", "sig") != "sig" or each.get("alg", "ES256") != "ES256":
            continue
        try:
            key = jwt.PyJWK(each, algorithm="ES256").key
        except (jwt.PyJWTError, ValueError, TypeError):
            continue
        if isinstance(key, EllipticCurvePublicKey) and isinstance(key.curve, SECP256R1) and "kid" in each:
            usable[str(each["kid"])] = key
    return usable
