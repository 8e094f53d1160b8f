"""What delivery reads from its environment."""

from datetime import timedelta
from functools import cache
from typing import Annotated

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings

Seconds = Annotated[float, Field(gt=0)]


class Deadlines(BaseSettings):
    """How long a shipment waits for others."""

    shipping_deadline_s: Seconds = 30
    """From the order's confirmation until a carrier must have taken the booking."""

    carrier_silence_s: Seconds = 30
    """From the confirmation until a carrier that has said nothing new is asked where the parcel is; later it is asked
    at intervals that grow to an hour."""

    @property
    def silence(self) -> timedelta:
        return timedelta(seconds=self.carrier_silence_s)

    @property
    def shipping(self) -> timedelta:
        return timedelta(seconds=self.shipping_deadline_s)


class Carriers(BaseSettings):
    """Where the carriers are, how they reach us, and how much of our time each may take."""

    carrier_a_url: str
    carrier_b_url: str
    delivery_public_url: str
    """Where carriers send their tracking, up to and without `/carriers`."""
    carrier_connect_timeout_s: Seconds = 1
    carrier_timeout_s: Seconds = 5
    carrier_calls_at_once: Annotated[int, Field(ge=1)] = 32
    """To each carrier; more wait for at most `carrier_connect_timeout_s`."""


class Webhooks(BaseSettings):
    """What carriers sign their tracking with."""

    carrier_webhook_secret: SecretStr
    """`whsec_` and base64, as Standard Webhooks writes it."""


@cache
def deadlines() -> Deadlines:
    """Read once, when first needed."""
    return Deadlines()


@cache
def webhooks() -> Webhooks:
    """Read once, when first needed."""
    return Webhooks()
