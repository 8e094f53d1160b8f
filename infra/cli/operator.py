"""An operator's way to the services of a stack: over their `/ops`, with a token of the local issuer."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from infra.local import LocalError, StackState

ANSWER_WITHIN_S = 30.0
AWAY_S = 60.0
PAUSE_S = 0.5
WHO = {"sub": "operator", "roles": ["operator"], "ttl_s": 86_400}


@dataclass(frozen=True)
class Operator:
    """Asks whichever replica of a service answers."""

    state: StackState
    _http: aiohttp.ClientSession

    async def ask(
        self, service: str, method: str, path: str, *, json: Mapping[str, Any] | None = None, **query: str
    ) -> dict[str, Any]:
        """The answer, asked for again while nobody gives one: so only for what may be repeated.

        Raises `LocalError` where the service refuses, or was away for a minute.
        """
        replicas = list(self.state.services[service].ops.values())
        deadline, tried = time.monotonic() + AWAY_S, 0
        while True:
            try:
                async with self._http.request(
                    method, replicas[tried % len(replicas)] + path, json=json, params=query
                ) as answer:
                    body: dict[str, Any] = await answer.json(content_type=None)
                    if answer.ok:
                        return body
                    why = body.get("detail") or body["title"]
                    if answer.status < 500:
                        raise LocalError(f"{service} refuses: {why}")
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                why = f"no answer ({type(error).__name__})"
            if time.monotonic() > deadline:
                raise LocalError(f"{service}: {why}", f"Is it up? ./marketplace start {service}")
            tried += 1
            await asyncio.sleep(PAUSE_S)


@asynccontextmanager
async def operator(state: StackState) -> AsyncIterator[Operator]:
    """An operator with a fresh token. Raises `LocalError` if the issuer is away."""
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=ANSWER_WITHIN_S)) as http:
        try:
            async with http.post(f"{state.issuer}/token", json=WHO, raise_for_status=True) as granted:
                token = (await granted.json())["access_token"]
        except (aiohttp.ClientError, TimeoutError) as error:
            raise LocalError(f"The issuer does not answer: {error}", "Is it up? ./marketplace start outside") from None
        http.headers["Authorization"] = f"Bearer {token}"
        yield Operator(state, http)
