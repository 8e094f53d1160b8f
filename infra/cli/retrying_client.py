"""Client of the operations API (`/ops`) for long work: tries each replica, and waits until one answers."""

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp

from infra.cli.operations_client import get_token
from infra.stack import LocalError, StackState

REQUEST_TIMEOUT_S = 30.0
MAX_OUTAGE_S = 60.0
RETRY_DELAY_S = 0.5
TOKEN_TTL_S = 86_400


@dataclass(frozen=True)
class RetryingOperationsClient:
    """Sends requests to the replicas of a service in turn, until one answers."""

    state: StackState
    _http: aiohttp.ClientSession

    async def request(
        self, service: str, method: str, path: str, *, json: Mapping[str, Any] | None = None, **query: str
    ) -> dict[str, Any]:
        """Send a request and return the JSON object of the response. Only for requests that are safe to repeat.

        The request is repeated, at the next replica, if there is no answer or a status of 500 or more. Raises
        `LocalError` if the service refuses it (another error status), or has not answered for 60 s.
        """
        replicas = list(self.state.services[service].ops.values())
        deadline, tried = time.monotonic() + MAX_OUTAGE_S, 0
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
                        raise LocalError(f"{service} refuses the request: {why}")
            except (aiohttp.ClientError, TimeoutError, ValueError) as error:
                why = f"no answer ({type(error).__name__})"
            if time.monotonic() > deadline:
                raise LocalError(f"{service}: {why}", f"If it is down, start it: ./marketplace start {service}")
            tried += 1
            await asyncio.sleep(RETRY_DELAY_S)


@asynccontextmanager
async def retrying_client(state: StackState) -> AsyncIterator[RetryingOperationsClient]:
    """Yield a client with a token that is valid for a day. Raises `LocalError` if the issuer does not answer."""
    token = await asyncio.to_thread(get_token, "operator", ["operator"], ttl_s=TOKEN_TTL_S)
    async with aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {token}"}, timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S)
    ) as http:
        yield RetryingOperationsClient(state, http)
