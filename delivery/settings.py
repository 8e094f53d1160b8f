"""Settings of delivery, read from environment variables."""

from datetime import timedelta
from functools import cache
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

Seconds = Annotated[float, Field(gt=0)]


class Deadlines(BaseSettings):
    """Times in seconds that a shipment waits for carriers."""

    shipping_deadline_s: Seconds = 30
    """Seconds from the order's confirmation until a carrier must have booked the parcel."""

    carrier_silence_s: Seconds = 30
    """Seconds from the confirmation until a silent carrier is asked where the parcel is. Later it is asked at intervals
    that grow to an hour."""

    @property
    def carrier_silence(self) -> timedelta:
        return timedelta(seconds=self.carrier_silence_s)

    @property
    def shipping(self) -> timedelta:
        return timedelta(seconds=self.shipping_deadline_s)


class Carriers(BaseSettings):
    """URLs of the carriers and of our tracking callback, and limits for the calls to each carrier."""

    carrier_a_url: str
    carrier_b_url: str
    delivery_public_url: str
    """Base URL at which carriers reach delivery to send their tracking, without `/carriers`."""
    carrier_connect_timeout_s: Seconds = 1
    carrier_timeout_s: Seconds = 5
    carrier_calls_at_once: Annotated[int, Field(ge=1)] = 32
    """Concurrent calls to each carrier. Further calls wait for at most `carrier_connect_timeout_s`."""


class Webhooks(BaseSettings):
    """The secret with which carriers sign their tracking."""

    carrier_webhook_secret: SecretStr
    """`whsec_` followed by base64, as Standard Webhooks specifies."""


@cache
def deadlines() -> Deadlines:
    """Return the deadlines. They are read once, on first use."""
    return Deadlines()


@cache
def webhooks() -> Webhooks:
    """Return the carriers' secret. It is read once, on first use."""
    return Webhooks()
