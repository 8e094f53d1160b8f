"""Calls external services over HTTP. With an idempotency key, a request may be repeated, and is carried out once."""

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

import aiohttp

from marketplace_runtime.resilience.breaker import CircuitBreaker
from marketplace_runtime.resilience.bulkhead import Bulkhead
from marketplace_runtime.resilience.deadline import cap_to_deadline
from marketplace_runtime.resilience.errors import RateLimited, Refused

TOO_MANY_REQUESTS = 429
MIN_RETRY_AFTER_S, DEFAULT_RETRY_AFTER_S, MAX_RETRY_AFTER_S = 0.1, 5.0, 300.0
"""Minimum, default and maximum of `Retry-After`. The maximum keeps a callee from making us wait for hours."""


class CallError(Exception):
    """The call has no certain answer; the same request can be sent again.

    The message contains no data of the request, and only the status and problem type of the answer.
    """


class NotSent(CallError):
    """The request was not sent, or not carried out: no connection, too little time left, or `CallPostponed`."""


class CallPostponed(NotSent):
    """The callee was not called, or refused the request without carrying it out.

    No call should be made for `retry_after_s` seconds. This does not count as an attempt.
    """

    def __init__(self, why: str, retry_after_s: float) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s


class OutcomeUnknown(CallError):
    """The request was sent, and may or may not have been carried out."""


class ServerError(CallError):
    """The callee answered that it cannot work now (5xx). Its problem `type` defines what that means for the request."""

    def __init__(self, name: str, status: int, type: str) -> None:
        super().__init__(f"{name} answered {status} {type}")
        self.type = type


class Callee:
    """Calls one external service through its own bulkhead and circuit breaker, so that its failures affect no other.

    At most `max_concurrent_calls` requests are under way. Further ones wait for at most `connect_timeout_s` seconds.
    """

    def __init__(
        self,
        name: str,
        url: str,
        session: aiohttp.ClientSession,
        *,
        timeout_s: float,
        connect_timeout_s: float,
        max_concurrent_calls: int,
    ) -> None:
        self._name, self._url, self._session = name, url.rstrip("/"), session
        self.timeout_s, self._connect_timeout_s = timeout_s, connect_timeout_s
        self._breaker = CircuitBreaker(name, errors=(CallError,))
        self._bulkhead = Bulkhead(name, max_concurrent_calls, max_wait_s=connect_timeout_s)

    async def post(self, path: str, key: str, body: object = None) -> tuple[int, dict[str, Any]]:
        """Send one request. Returns the status, which is below 500, and the JSON object in the answer, or an empty one.

        It takes at most `timeout_s`, or the rest of the deadline, and sends that time to the callee as Request-Timeout.
        Raises `CallError`.
        """
        return await self._call("POST", path, {"Idempotency-Key": key}, body)

    async def get(self, path: str) -> tuple[int, dict[str, Any]]:
        """Send a request that changes nothing; otherwise like `post`."""
        return await self._call("GET", path, {}, None)

    async def _call(self, method: str, path: str, headers: dict[str, str], body: object) -> tuple[int, dict[str, Any]]:
        try:
            async with self._bulkhead:
                timeout_s = cap_to_deadline(self.timeout_s, min_s=self._connect_timeout_s)
                async with self._breaker:
                    return await self._send(method, path, headers, body, timeout_s)
        except (Refused, RateLimited) as error:
            raise CallPostponed(f"{self._name}: {error}", error.retry_after_s) from error

    async def _send(
        self, method: str, path: str, headers: dict[str, str], body: object, timeout_s: float
    ) -> tuple[int, dict[str, Any]]:
        headers = {**headers, "Request-Timeout": f"{timeout_s:.3f}"}
        # Above `ceil_threshold`, aiohttp rounds a timeout up to whole seconds, which would exceed the deadline.
        timeout = aiohttp.ClientTimeout(timeout_s, sock_connect=self._connect_timeout_s, ceil_threshold=timeout_s)
        try:
            async with self._session.request(
                method, self._url + path, json=body, headers=headers, timeout=timeout
            ) as response:
                answer = await response.json(content_type=None)
                status = response.status
                retry_after = response.headers.get("Retry-After", "")
        except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
            raise NotSent(f"{self._name} cannot be reached: {type(error).__name__}") from error
        except (aiohttp.ClientError, TimeoutError, ValueError) as error:
            raise OutcomeUnknown(f"{self._name} gave no answer: {type(error).__name__}") from None
        answer = answer if isinstance(answer, dict) else {}
        if status == TOO_MANY_REQUESTS:
            raise RateLimited(f"answered {status}", parse_retry_after(retry_after, datetime.now(UTC)))
        if status >= 500:
            raise ServerError(self._name, status, str(answer.get("type")))
        return status, answer


def parse_retry_after(retry_after: str, now: datetime, max_s: float = MAX_RETRY_AFTER_S) -> float:
    """Return `Retry-After`, seconds or a date (RFC 9110, section 10.2.3), as seconds between 0.1 and `max_s`.

    A value that cannot be parsed means 5 s.
    """
    try:
        if retry_after.strip().isdecimal():
            seconds = float(retry_after)
        else:
            seconds = (parsedate_to_datetime(retry_after) - now).total_seconds()
    except (ValueError, TypeError, OverflowError):  # TypeError: a date without a time zone
        seconds = DEFAULT_RETRY_AFTER_S
    return min(max(seconds, MIN_RETRY_AFTER_S), max_s)
