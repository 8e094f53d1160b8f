"""HTTP client for one simulated person: sends requests with that person's token, and measures and classifies each."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Collection, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

import aiohttp
from hdrh.histogram import HdrHistogram

from infra.lab.simulator.figures_by_second import RequestsBySecond

T = TypeVar("T")
REQUEST_TIMEOUT_S = 10.0
_LONGEST_US = 10 * 60 * 1_000_000


class Latencies:
    """Records latencies in seconds in an HdrHistogram (three significant digits), and reports them in milliseconds."""

    def __init__(self) -> None:
        self._histogram = HdrHistogram(1, _LONGEST_US, 3)

    def record(self, seconds: float) -> None:
        """Add one latency. Values below 1 µs are recorded as 1 µs, values above ten minutes as ten minutes."""
        self._histogram.record_value(min(max(round(seconds * 1e6), 1), _LONGEST_US))

    def ms(self, percentile: float) -> float | None:
        """Return the percentile in milliseconds, or None if nothing was recorded."""
        if not self._histogram.get_total_count():
            return None
        microseconds: int = self._histogram.get_value_at_percentile(percentile)
        return round(microseconds / 1000, 2)


@dataclass
class Meter:
    """Counts the shoppers' requests and errors, and records their latencies."""

    requests: int = 0
    errors: Counter[str] = field(default_factory=Counter)
    """Number of errors by request and outcome, such as "POST checkout: 500"."""
    latencies: Latencies = field(default_factory=Latencies)
    requests_by_second: RequestsBySecond = field(default_factory=RequestsBySecond)


@dataclass(frozen=True)
class Answer:
    """A response. Status 0 means that none arrived, so the outcome is unknown."""

    status: int
    body: dict[str, Any]

    @property
    def ok(self) -> bool:
        return 200 <= self.status < 300

    @property
    def outcome_unknown(self) -> bool:
        """Whether the outcome is unknown: no response, or a 5xx, which may come from a gateway."""
        return self.status == 0 or self.status >= 500


class Client:
    """Sends requests as one person, and counts them in `meter`.

    A response that is neither 2xx nor one of the `expected` statuses is an error. Latency is measured from
    `intended_at` (`time.monotonic`), the moment at which the person meant to send the request, even if it was sent
    later.
    """

    def __init__(self, http: aiohttp.ClientSession, token: str, meter: Meter) -> None:
        self._http = http
        self._token = token
        self._headers = {"Authorization": f"Bearer {token}"}
        self._meter = meter

    def with_meter(self, meter: Meter) -> "Client":
        """Return a client for the same person that counts in another meter."""
        return Client(self._http, self._token, meter)

    async def send(
        self,
        method: str,
        url: str,
        *,
        label: str,
        json: Mapping[str, object] | None = None,
        query: dict[str, str] | None = None,
        key: str | None = None,
        expected: Collection[int] = (),
        intended_at: float | None = None,
    ) -> Answer:
        """Send the request once and return the response. Never raises for a failed request.

        Connection errors, timeouts and invalid JSON are returned as status 0. The meter counts errors by method and
        `label`.
        """
        began = time.monotonic() if intended_at is None else intended_at
        headers = self._headers if key is None else {**self._headers, "Idempotency-Key": key}
        error_name = ""
        try:
            async with self._http.request(method, url, json=json, params=query, headers=headers) as response:
                body = await _body(response)
                answer = Answer(response.status, body)
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            answer, error_name = Answer(0, {}), type(error).__name__
        waited, failed = time.monotonic() - began, not answer.ok and answer.status not in expected
        self._meter.requests += 1
        self._meter.latencies.record(waited)
        self._meter.requests_by_second.record(time.time() - waited, waited, failed=failed)
        if failed:
            self._meter.errors[f"{method} {label}: {error_name or answer.status}"] += 1
        return answer


async def _body(response: aiohttp.ClientResponse) -> dict[str, Any]:
    text = await response.read()
    if not text:
        return {}
    body = await response.json(content_type=None)
    return body if isinstance(body, dict) else {"items": body}


def open_http(connections: int = 256) -> aiohttp.ClientSession:
    """Return the HTTP session, with its connection pool, that all persons share."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, limit_per_host=0),
        timeout=aiohttp.ClientTimeout(total=REQUEST_TIMEOUT_S),
        headers={"Request-Timeout": f"{REQUEST_TIMEOUT_S:g}"},
    )


class Issuer:
    """Gets tokens for the simulated people from the local issuer, which it finds by OIDC discovery on first use."""

    def __init__(self, http: aiohttp.ClientSession, url: str) -> None:
        self._http = http
        self._url = url
        self._endpoint = ""

    async def token(self, subject: str, *roles: str, ttl_s: int) -> str:
        """Return a bearer token that is valid for `ttl_s` seconds. Raises aiohttp's errors and TimeoutError."""
        if not self._endpoint:
            async with self._http.get(f"{self._url}/.well-known/openid-configuration") as answer:
                answer.raise_for_status()
                self._endpoint = (await answer.json())["token_endpoint"]
        body = {"sub": subject, "roles": roles, "ttl_s": ttl_s}
        async with self._http.post(self._endpoint, json=body) as answer:
            answer.raise_for_status()
            granted: str = (await answer.json())["access_token"]
            return granted


async def run_concurrently(
    work: Callable[[T], Coroutine[Any, Any, None]], items: Iterable[T], max_concurrent: int = 8
) -> None:
    """Run `work` for every item, at most `max_concurrent` at a time. Raises the first error, and cancels the rest."""
    remaining = iter(items)

    async def worker() -> None:
        for item in remaining:
            await work(item)

    try:
        async with asyncio.TaskGroup() as workers:
            for _ in range(max_concurrent):
                workers.create_task(worker())
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
