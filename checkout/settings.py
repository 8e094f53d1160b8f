"""What checkout reads from its environment."""

from datetime import timedelta
from functools import cache
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

Seconds = Annotated[float, Field(gt=0)]


class Deadlines(BaseSettings):
    """How long an order waits for others before it goes on by itself."""

    stock_answer_deadline_s: Seconds = 600
    payment_deadline_s: Seconds = 30
    shipping_deadline_s: Seconds = 30

    @property
    def stock_answer(self) -> timedelta:
        return timedelta(seconds=self.stock_answer_deadline_s)

    @property
    def payment(self) -> timedelta:
        return timedelta(seconds=self.payment_deadline_s)

    @property
    def shipping(self) -> timedelta:
        return timedelta(seconds=self.shipping_deadline_s)


class Providers(BaseSettings):
    """Where the payment providers are, and how much of our time each may take."""

    payment_a_url: str
    payment_b_url: str
    payment_connect_timeout_s: Seconds = 1
    payment_timeout_s: Seconds = 5
    payment_calls_at_once: Annotated[int, Field(ge=1)] = 64
    """To each provider; more wait for at most `payment_connect_timeout_s`."""


@cache
def deadlines() -> Deadlines:
    """Read once, when first needed."""
    return Deadlines()
