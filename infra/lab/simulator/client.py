"""One person's way to the marketplace: HTTP with a token, every request measured and judged."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
from hdrh.histogram import HdrHistogram

from infra.lab.simulator.seconds import Waits

T = TypeVar("T")
REQUEST_TIMEOUT_S = 10.0
_LONGEST_US = 10 * 60 * 1_000_000


class Latencies:
    """An HdrHistogram of seconds (to three digits), read in milliseconds."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, _LONGEST_US, 3)

    def record(self, seconds: float) -> None:
        """Adds one; below a microsecond counts as one, above ten minutes as ten."""
        self._histogram.record_value(min(max(round(seconds * 1e6), 1), _LONGEST_US))

    def ms(self, percentile: float) -> float | None:
        """The percentile in milliseconds; None if nothing was recorded."""
        if not self._histogram.get_total_count():
            return None
        microseconds: int = self._histogram.get_value_at_percentile(percentile)
        return round(microseconds / 1000, 2)


@dataclass
class Meter:
    """What the shoppers' requests came to."""

    requests: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    """By what went wrong, such as "POST checkout: 500"."""
    latencies: Latencies = field(default_factory=Latencies)
    waits: Waits = field(default_factory=Waits)


@dataclass(frozen=True)
class Answer:
    """What came back; status 0 means that nothing did, so the outcome is unknown."""

    status: int
    body: dict[str, Any]

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def lost(self) -> bool:
        """Whether the request may or may not have been done: no answer, or a gateway's."""
        return self.status == 0 or self.status >= 500


class Client:
    """Requests as one person; counts in `meter`.

    A request that is not answered by 2xx or one of the `expected` statuses is an error. Latency counts from
    `intended`, the moment (`time.monotonic`) at which the person meant to ask, whenever we got round to it.
    """

    def __init__(self, http: aiohttp.ClientSession, token: str, meter: Meter) -> None:
        self._http = http
        self._token = token
        self._headers = {"Authorization": f"Bearer {token}"}
        self._meter = meter

    def metered_by(self, meter: Meter) -> "Client":
        """The same person, counted elsewhere."""
        return Client(self._http, self._token, meter)

    async def ask(
        self,
        method: str,
        url: str,
        *,
        what: str,
        json: Mapping[str, object] | None = None,
        query: dict[str, str] | None = None,
        key: str | None = None,
        expected: Collection[int] = (),
        intended: float | None = None,
    ) -> Answer:
        """Sends the request once and returns what came back; never raises for what the other side does."""
        began = time.monotonic() if intended is None else intended
        headers = self._headers if key is None else {**self._headers, "Idempotency-Key": key}
        wrong = ""
        try:
            async with self._http.request(method, url, json=json, params=query, headers=headers) as response:
                body = await _body(response)
                answer = Answer(response.status, body)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            answer, wrong = Answer(0, {}), type(error).__name__
        waited, failed = time.monotonic() - began, not answer.ok and answer.status not in expected
        self._meter.requests += 1
        self._meter.latencies.record(waited)
        self._meter.waits.record(time.time() - waited, waited, failed=failed)
        if failed:
            self._meter.errors[f"{method} {what}: {wrong or answer.status}"] += 1
        return answer


async def _body(response: aiohttp.ClientResponse) -> dict[str, Any]:
    text = await response.read()
    if not text:
        return {}
    body = await response.json(content_type=None)
    return body if isinstance(body, dict) else {"items": body}


def open_http(connections: int = 256) -> aiohttp.ClientSession:
    """The connections that all persons share."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, limit_per_host=0),
        timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
        headers={"Request-Timeout": f"{REQUEST_TIMEOUT_S:g}"},
    )


class Issuer:
    """Gives tokens to the simulator's people: the local issuer, found by OIDC discovery on first use."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url
        self._endpoint = ""

    async def token(self, subject: str, *roles: str, ttl_s: int) -> str:
        """A bearer token; raises aiohttp's errors and TimeoutError."""
        if not self._endpoint:
            async with self._http.get(f"{self._url}/.well-known/openid-configuration") as answer:
                answer.raise_for_status()
                self._endpoint = (await answer.json())["token_endpoint"]
        asked = {"sub": subject, "roles": roles, "ttl_s": ttl_s}
        async with self._http.post(self._endpoint, json=asked) as answer:
            answer.raise_for_status()
            granted: str = (await answer.json())["access_token"]
            return granted


async def in_turns(work: Callable[[T], Coroutine[Any, Any, None]], items: Iterable[T], at_once: int = 8) -> None:
    """Does the work for every item, so many at a time; raises the first error, and ends the rest."""
    remaining = iter(items)

    async def worker() -> None:
        for item in remaining:
            await work(item)

    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(at_once):
                workers.create_task(worker())
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
