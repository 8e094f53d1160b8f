"""Client of the payment providers, with its requests and answers.

Every request carries the idempotency key `<order>:<provider>`. Under one key a provider acts once, however often the
request is repeated. An answer is returned only if the outcome is certain. Otherwise the call raises, and is retried.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from uuid import UUID

import aiohttp
from tenacity import AsyncRetrying, RetryCallState, retry_if_exception_type, stop_after_attempt

from checkout.settings import Providers
from marketplace_runtime.resilience import (
    Callee,
    NotSent,
    OutcomeUnknown,
    RetryBudget,
    ServerError,
    full_jitter,
    remaining_s,
)

NOT_CHARGED = "urn:problem:payments:not-charged"


@dataclass(frozen=True, slots=True)
class Charge:
    """A request to charge the order's total."""

    order_id: UUID
    provider: str
    amount: int
    currency: str
    request_number: int
    """The number of this request. `NotCharged` carries it, too."""
    asked_before: bool
    """Whether an earlier request under this key has an unknown outcome."""


@dataclass(frozen=True, slots=True)
class Void:
    """A request to give back what the order's key holds, if anything, and never to charge it again."""

    order_id: UUID
    provider: str


@dataclass(frozen=True, slots=True)
class Refund:
    """A request to give back a captured total."""

    order_id: UUID
    provider: str


@dataclass(frozen=True, slots=True)
class Captured:
    provider: str


@dataclass(frozen=True, slots=True)
class Declined:
    """The provider declined the payment for good. It gives the same answer to every later charge under this key."""

    provider: str


@dataclass(frozen=True, slots=True)
class NotCharged:
    """The request with this number did not charge, and never will."""

    provider: str
    request_number: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The key holds no money and can never be charged again."""

    provider: str
    refunded: bool | None
    """Whether the key held money that was given back. None if it was already closed."""


@dataclass(frozen=True, slots=True)
class Refunded:
    provider: str


Answer = Captured | Declined | NotCharged | Closed


class Provider:
    """Client of one payment provider, with its own bulkhead, circuit breaker and retry budget.

    So a slow or failed provider does not affect calls to the other.
    """

    def __init__(self, name: str, url: str, session: aiohttp.ClientSession, settings: Providers) -> None:
        self.name = name
        self._callee = Callee(
            f"payments-{name}",
            url,
            session,
            timeout_s=settings.payment_timeout_s,
            connect_timeout_s=settings.payment_connect_timeout_s,
            max_concurrent_calls=settings.payment_calls_at_once,
        )
        self._budget = RetryBudget(f"payments-{name}")

    async def charge(self, request: Charge) -> Answer:
        """Ask the provider to charge. Can be repeated safely, as all charges of an order at one provider have one key.

        Raises `CallError` if the outcome is not certain.
        """
        body = {
            "order_id": str(request.order_id),
            "amount": request.amount,
            "currency": request.currency,
        }
        outcome_unknown = request.asked_before
        try:
            async for attempt in self._attempts():
                with attempt:
                    try:
                        status, answer = await self._callee.post("/charges", _key(request), body)
                    except OutcomeUnknown:
                        outcome_unknown = True
                        raise
        except NotSent:
            if outcome_unknown:  # an earlier request may have charged
                raise
            return NotCharged(self.name, request.request_number)
        except ServerError as failing:
            # The order takes `NotCharged` as certain, unless it recorded an earlier request. It does not know that an
            # earlier attempt of this call may still charge. Then the error is raised: the retry records a new request.
            if failing.type != NOT_CHARGED or (outcome_unknown and not request.asked_before):
                raise
            return NotCharged(self.name, request.request_number)
        if status in (200, 201):
            return Captured(self.name)
        if status == 402:
            return Declined(self.name)
        if status == 409:
            return Closed(self.name, refunded=None)
        raise OutcomeUnknown(f"provider {self.name} answered {status} to a charge: {answer}")

    async def void(self, request: Void) -> Closed:
        """Close the key. Raises `CallError` unless the provider confirmed that it is closed."""
        status, answer = await self._callee.post(f"/charges/{_key(request)}/void", _key(request))
        if status != 200:
            raise OutcomeUnknown(f"provider {self.name} answered {status} to a void: {answer}")
        return Closed(self.name, refunded=bool(answer.get("refunded")))

    async def refund(self, request: Refund) -> Refunded:
        """Give the money back. Raises `CallError` unless the provider confirmed that it did."""
        status, answer = await self._callee.post(f"/charges/{_key(request)}/refund", f"{_key(request)}:refund")
        if status != 200:
            raise OutcomeUnknown(f"provider {self.name} answered {status} to a refund: {answer}")
        return Refunded(self.name)

    def _attempts(self) -> AsyncRetrying:
        """Retry once, after a short pause, if the outcome is unknown. Retries of the whole message wait much longer.

        There is no retry if the deadline of the message is too near, or the retry budget is spent.
        """
        self._budget.deposit()
        return AsyncRetrying(
            retry=retry_if_exception_type(OutcomeUnknown),
            stop=self._may_not_retry,
            wait=lambda state: full_jitter(state.attempt_number, 0.05, 0.5),
            reraise=True,
        )

    def _may_not_retry(self, state: RetryCallState) -> bool:
        left = remaining_s()
        too_late = left is not None and left < state.upcoming_sleep + self._callee.timeout_s
        return too_late or stop_after_attempt(2)(state) or not self._budget.withdraw()


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients of both providers, by name. They share one connection pool."""

    providers: dict[str, Provider]


@asynccontextmanager
async def connect() -> AsyncIterator[Clients]:
    """Open the clients. They live as long as the service."""
    settings = Providers()
    connector = aiohttp.TCPConnector(limit=0)  # the bulkheads limit the number of connections
    async with aiohttp.ClientSession(connector=connector) as session:
        urls = {"a": settings.payment_a_url, "b": settings.payment_b_url}
        yield Clients({name: Provider(name, url, session, settings) for name, url in urls.items()})


async def charge_or_void(request: Charge | Void, clients: Clients) -> Answer:
    """Charge or void at the provider that the request names."""
    provider = clients.providers[request.provider]
    return await (provider.charge(request) if isinstance(request, Charge) else provider.void(request))


async def refund(request: Refund, clients: Clients) -> Refunded:
    """Refund the money of a cancelled order."""
    return await clients.providers[request.provider].refund(request)


def _key(request: Charge | Void | Refund) -> str:
    return f"{request.order_id}:{request.provider}"
