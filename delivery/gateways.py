"""Client of the carriers, with its requests and answers.

Every request carries the idempotency key `<shipment>:<carrier>`. Under one key a carrier acts once, however often the
request is repeated. An answer is returned only if the outcome is certain. Otherwise the call raises, and is retried.
Errors do not contain what was sent or answered, since both may hold an address.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Literal
from uuid import UUID

import aiohttp

from delivery.domain import PostalAddress
from delivery.settings import Carriers
from marketplace_runtime.resilience import Callee, NotSent, OutcomeUnknown, ServerError

NOT_BOOKED = "urn:problem:carriers:not-booked"
CANCELLED = "urn:problem:carriers:cancelled"
DISPATCHED = "urn:problem:carriers:dispatched"


@dataclass(frozen=True, slots=True)
class Book:
    """A request to collect the parcel and deliver it to the place."""

    order_id: UUID
    shipment_id: UUID
    carrier: str
    place: PostalAddress = field(repr=False)
    asked_before: bool
    """Whether an earlier request under this key has an unknown outcome."""


@dataclass(frozen=True, slots=True)
class Unbook:
    """A request to cancel the booking, and never to book under this key again."""

    shipment_id: UUID
    carrier: str


@dataclass(frozen=True, slots=True)
class Track:
    """A request to report where the parcel is."""

    shipment_id: UUID
    carrier: str


@dataclass(frozen=True, slots=True)
class Booked:
    carrier: str
    tracking_code: str


@dataclass(frozen=True, slots=True)
class NotBooked:
    """The request did not book the parcel, and never will."""

    carrier: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The key holds no booking, and can never hold one again."""

    carrier: str


@dataclass(frozen=True, slots=True)
class AlreadyDispatched:
    """The parcel is on its way, so the booking could not be cancelled."""

    carrier: str


Answer = Booked | NotBooked | Closed | AlreadyDispatched


@dataclass(frozen=True, slots=True)
class TrackingReport:
    """The carrier's report of where the parcel is."""

    carrier: str
    status: Literal["booked", "dispatched", "delivered", "unknown"]
    """`unknown`: the carrier has no such booking, or it was cancelled."""
    tracking_code: str = ""


class Carrier:
    """Client of one carrier, with its own bulkhead and circuit breaker.

    So a slow or failed carrier does not affect calls to the other. Each call sends one request. The subscription
    retries it, after recording that an earlier request may have been carried out.
    """

    def __init__(self, name: str, url: str, session: aiohttp.ClientSession, settings: Carriers) -> None:
        self.name = name
        self._callback_url = f"{settings.delivery_public_url.rstrip('/')}/carriers/{name}/tracking"
        self._callee = Callee(
            f"carriers-{name}",
            url,
            session,
            timeout_s=settings.carrier_timeout_s,
            connect_timeout_s=settings.carrier_connect_timeout_s,
            max_concurrent_calls=settings.carrier_calls_at_once,
        )

    async def book(self, request: Book) -> Answer:
        """Ask the carrier to collect the parcel. Can be repeated safely under the same key.

        Raises `CallError` if the outcome is not certain.
        """
        body = {
            "shipment_id": str(request.shipment_id),
            "order_id": str(request.order_id),
            "address": asdict(request.place),
            "callback_url": self._callback_url,
        }
        try:
            status, answer = await self._callee.post("/bookings", _key(request), body)
        except NotSent:
            if request.asked_before:  # the earlier request may have booked
                raise
            return NotBooked(self.name)
        except ServerError as failing:
            if failing.type != NOT_BOOKED:
                raise
            return NotBooked(self.name)
        tracking_code = answer.get("tracking_code")
        if status in (200, 201) and isinstance(tracking_code, str):
            return Booked(self.name, tracking_code)
        if status == 409 and answer.get("type") == CANCELLED:
            return Closed(self.name)
        if status in (400, 422):  # address refused, or the key is booked with another address
            return NotBooked(self.name)
        raise OutcomeUnknown(f"carrier {self.name} answered {status} {answer.get('type')} to a booking")

    async def unbook(self, request: Unbook) -> Answer:
        """Close the key. Raises `CallError` unless the carrier confirmed that it is closed, or that it is too late."""
        status, answer = await self._callee.post(f"/bookings/{_key(request)}/cancel", _key(request))
        if status == 200:
            return Closed(self.name)
        if status == 409 and answer.get("type") == DISPATCHED:
            return AlreadyDispatched(self.name)
        raise OutcomeUnknown(f"carrier {self.name} answered {status} {answer.get('type')} to a cancellation")

    async def track(self, request: Track) -> TrackingReport:
        """Ask where the parcel is. Changes nothing. Raises `CallError` if the carrier gave no valid answer."""
        status, answer = await self._callee.get(f"/bookings/{_key(request)}")
        if status == 404:
            return TrackingReport(self.name, "unknown")
        where, code = answer.get("status"), answer.get("tracking_code")
        if status == 200 and where == "cancelled":
            return TrackingReport(self.name, "unknown")
        if status == 200 and where in ("booked", "dispatched", "delivered") and isinstance(code, str) and code:
            return TrackingReport(self.name, where, code)
        raise OutcomeUnknown(f"carrier {self.name} answered {status} {answer.get('type')} to a tracking request")


@dataclass(frozen=True, slots=True)
class Clients:
    """The clients of both carriers, by name. They share one connection pool."""

    carriers: dict[str, Carrier]


@asynccontextmanager
async def connect() -> AsyncIterator[Clients]:
    """Open the clients. They live as long as the service."""
    settings = Carriers()
    connector = aiohttp.TCPConnector(limit=0)  # the bulkheads limit the number of connections
    async with aiohttp.ClientSession(connector=connector) as session:
        urls = {"a": settings.carrier_a_url, "b": settings.carrier_b_url}
        yield Clients({name: Carrier(name, url, session, settings) for name, url in urls.items()})


async def book(request: Book, clients: Clients) -> Answer:
    """Ask the chosen carrier to book the parcel."""
    return await clients.carriers[request.carrier].book(request)


async def unbook(request: Unbook, clients: Clients) -> Answer:
    """Ask the carrier to cancel the booking."""
    return await clients.carriers[request.carrier].unbook(request)


async def track(request: Track, clients: Clients) -> TrackingReport:
    """Ask the carrier that has the parcel where it is."""
    return await clients.carriers[request.carrier].track(request)


def _key(request: Book | Unbook | Track) -> str:
    return f"{request.shipment_id}:{request.carrier}"
