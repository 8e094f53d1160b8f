"""The carriers: what they can be asked, what they can answer, and how they are reached.

Every request carries the key `<shipment>:<carrier>`, under which a carrier acts once however often it is
asked. An answer is returned only if it is certain; anything else raises and is asked again. No error
carries what was sent or answered: both may hold an address.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass, field
from typing import Literal
from uuid import UUID

import aiohttp

from delivery.domain import Place
from delivery.settings import Carriers
from marketplace_runtime.resilience import Callee, Failing, NotSent, OutcomeUnknown

NOT_BOOKED = "urn:problem:carriers:not-booked"
CANCELLED = "urn:problem:carriers:cancelled"
DISPATCHED = "urn:problem:carriers:dispatched"


@dataclass(frozen=True, slots=True)
class Book:
    """Fetch the parcel and bring it to the place."""

    order_id: UUID
    shipment_id: UUID
    carrier: str
    place: Place = field(repr=False)
    asked_before: bool
    """An earlier request under this key has no known outcome."""


@dataclass(frozen=True, slots=True)
class Unbook:
    """Forget the parcel, and never book it under this key again."""

    shipment_id: UUID
    carrier: str


@dataclass(frozen=True, slots=True)
class Track:
    """Say where the parcel is."""

    shipment_id: UUID
    carrier: str


@dataclass(frozen=True, slots=True)
class Booked:
    carrier: str
    tracking_code: str


@dataclass(frozen=True, slots=True)
class NotBooked:
    """This request did not book, and never will."""

    carrier: str


@dataclass(frozen=True, slots=True)
class Closed:
    """The key holds nothing and can never be booked again."""

    carrier: str


@dataclass(frozen=True, slots=True)
class Left:
    """The parcel is on its way."""

    carrier: str


Answer = Booked | NotBooked | Closed | Left


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Where the carrier says that the parcel is."""

    carrier: str
    status: Literal["booked", "dispatched", "delivered", "unknown"]
    """`unknown`: it has no such parcel, or has been told to forget it."""
    tracking_code: str = ""


class Carrier:
    """One carrier, kept apart so that its slowness or absence is its own.

    Each call is one request: the subscription repeats it, after noting that it may have been carried out.
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
            at_once=settings.carrier_calls_at_once,
        )

    async def book(self, request: Book) -> Answer:
        """Ask for the parcel to be fetched; safe however often it is repeated under the same key."""
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
        except Failing as failing:
            if failing.type != NOT_BOOKED:
                raise
            return NotBooked(self.name)
        tracking_code = answer.get("tracking_code")
        if status in (200, 201) and isinstance(tracking_code, str):
            return Booked(self.name, tracking_code)
        if status == 409 and answer.get("type") == CANCELLED:
            return Closed(self.name)
        if status in (400, 422):  # not to be had with this address, or known with another
            return NotBooked(self.name)
        raise OutcomeUnknown(f"carrier {self.name} answered {status} {answer.get('type')} to a booking")

    async def unbook(self, request: Unbook) -> Answer:
        """Close the key. Raises until the carrier said that it is closed, or that it is too late."""
        status, answer = await self._callee.post(f"/bookings/{_key(request)}/cancel", _key(request))
        if status == 200:
            return Closed(self.name)
        if status == 409 and answer.get("type") == DISPATCHED:
            return Left(self.name)
        raise OutcomeUnknown(f"carrier {self.name} answered {status} {answer.get('type')} to a cancellation")

    async def track(self, request: Track) -> Whereabouts:
        """Ask where the parcel is. Changes nothing."""
        status, answer = await self._callee.get(f"/bookings/{_key(request)}")
        if status == 404:
            return Whereabouts(self.name, "unknown")
        where, code = answer.get("status"), answer.get("tracking_code")
        if status == 200 and where == "cancelled":
            return Whereabouts(self.name, "unknown")
        if status == 200 and where in ("booked", "dispatched", "delivered") and isinstance(code, str) and code:
            return Whereabouts(self.name, where, code)
        raise OutcomeUnknown(f"carrier {self.name} answered {status} {answer.get('type')} to a question")


@dataclass(frozen=True, slots=True)
class Outside:
    """Both carriers, reached over one pool of connections."""

    carriers: dict[str, Carrier]


@asynccontextmanager
async def connect() -> AsyncIterator[Outside]:
    """Open what lives as long as the service does."""
    settings = Carriers()
    connector = aiohttp.TCPConnector(limit=0)  # the bulkheads are the limit
    async with aiohttp.ClientSession(connector=connector) as session:
        urls = {"a": settings.carrier_a_url, "b": settings.carrier_b_url}
        yield Outside({name: Carrier(name, url, session, settings) for name, url in urls.items()})


async def book(request: Book, outside: Outside) -> Answer:
    """Ask the carrier that was chosen to take the parcel."""
    return await outside.carriers[request.carrier].book(request)


async def unbook(request: Unbook, outside: Outside) -> Answer:
    """Have the carrier that was asked forget the parcel."""
    return await outside.carriers[request.carrier].unbook(request)


async def track(request: Track, outside: Outside) -> Whereabouts:
    """Ask the carrier that has the parcel where it is."""
    return await outside.carriers[request.carrier].track(request)


def _key(request: Book | Unbook | Track) -> str:
    return f"{request.shipment_id}:{request.carrier}"
