"""The payment providers: what they can be asked, what they can answer, and how they are reached.

Every request carries the key `<order>:<provider>`, under which a provider acts once however often it
is asked. An answer is returned only if it is certain; anything else raises and is asked again.
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
    Failing,
    NotSent,
    OutcomeUnknown,
    RetryBudget,
    full_jitter,
    remaining_s,
)

NOT_CHARGED = "urn:problem:payments:not-charged"


@dataclass(frozen=True, slots=True)
class Charge:
    """Take the order's total."""

    order_id: UUID
    provider: str
    amount: int
    currency: str
    ask: int
    """The number of this request, given back in a `NotCharged`."""
    asked_before: bool
    """An earlier request under this key has no known outcome."""


@dataclass(frozen=True, slots=True)
class Void:
    """Give back what the order's key holds, if anything, and never charge it again."""

    order_id: UUID
    provider: str


@dataclass(frozen=True, slots=True)
class Refund:
    """Give back a captured total."""

    order_id: UUID
    provider: str


@dataclass(frozen=True, slots=True)
class Captured:
    provider: str


@dataclass(frozen=True, slots=True)
class Declined:
    """For good: the key answers the same for ever."""

    provider: str


@dataclass(frozen=True, slots=True)
class NotCharged:
    """This request did not charge, and never will."""

    provider: str
    ask: int


@dataclass(frozen=True, slots=True)
class Closed:
    """The key holds nothing and can never be charged again."""

    provider: str
    refunded: bool | None
    """Whether it held something; None where it was found closed."""


@dataclass(frozen=True, slots=True)
class Refunded:
    provider: str


Answer = Captured | Declined | NotCharged | Closed


class Provider:
    """One payment provider, kept apart so that its slowness or absence is its own."""

    def __init__(self, name: str, url: str, session: aiohttp.ClientSession, settings: Providers) -> None:
        self.name = name
        self._callee = Callee(
            f"payments-{name}",
            url,
            session,
            timeout_s=settings.payment_timeout_s,
            connect_timeout_s=settings.payment_connect_timeout_s,
            at_once=settings.payment_calls_at_once,
        )
        self._budget = RetryBudget(f"payments-{name}")

    async def charge(self, request: Charge) -> Answer:
        """Ask for the money once more under the same key; safe however often it is repeated."""
        body = {
            "order_id": str(request.order_id),
            "amount": request.amount,
            "currency": request.currency,
        }
        unknown = request.asked_before
        try:
            async for attempt in self._attempts():
                with attempt:
                    try:
                        status, answer = await self._callee.post("/charges", _key(request), body)
                    except OutcomeUnknown:
                        unknown = True
                        raise
        except NotSent:
            if unknown:  # an earlier request may have charged
                raise
            return NotCharged(self.name, request.ask)
        except Failing as failing:
            if failing.type != NOT_CHARGED or (unknown and not request.asked_before):
                raise
            return NotCharged(self.name, request.ask)
        if status in (200, 201):
            return Captured(self.name)
        if status == 402:
            return Declined(self.name)
        if status == 409:
            return Closed(self.name, refunded=None)
        raise OutcomeUnknown(f"provider {self.name} answered {status} to a charge: {answer}")

    async def void(self, request: Void) -> Closed:
        """Close the key. Raises until the provider said that it is closed."""
        status, answer = await self._callee.post(f"/charges/{_key(request)}/void", _key(request))
        if status != 200:
            raise OutcomeUnknown(f"provider {self.name} answered {status} to a void: {answer}")
        return Closed(self.name, refunded=bool(answer.get("refunded")))

    async def refund(self, request: Refund) -> Refunded:
        """Give the money back. Raises until the provider said that it did."""
        status, answer = await self._callee.post(f"/charges/{_key(request)}/refund", f"{_key(request)}:refund")
        if status != 200:
            raise OutcomeUnknown(f"provider {self.name} answered {status} to a refund: {answer}")
        return Refunded(self.name)

    def _attempts(self) -> AsyncRetrying:
        """Once more, soon, where an answer was lost: the backoff between messages is much longer."""
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
class Outside:
    """Both providers, reached over one pool of connections."""

    providers: dict[str, Provider]


@asynccontextmanager
async def connect() -> AsyncIterator[Outside]:
    """Open what lives as long as the service does."""
    settings = Providers()
    connector = aiohttp.TCPConnector(limit=0)  # the bulkheads are the limit
    async with aiohttp.ClientSession(connector=connector) as session:
        urls = {"a": settings.payment_a_url, "b": settings.payment_b_url}
        yield Outside({name: Provider(name, url, session, settings) for name, url in urls.items()})


async def pay(request: Charge | Void, outside: Outside) -> Answer:
    """Charge or close one key at one provider."""
    provider = outside.providers[request.provider]
    return await (provider.charge(request) if isinstance(request, Charge) else provider.void(request))


async def refund(request: Refund, outside: Outside) -> Refunded:
    """Give the money of a cancelled order back."""
    return await outside.providers[request.provider].refund(request)


def _key(request: Charge | Void | Refund) -> str:
    return f"{request.order_id}:{request.provider}"
