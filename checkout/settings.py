"""Settings of checkout, read from environment variables."""

from datetime import timedelta
from functools import cache
from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

Seconds = Annotated[float, Field(gt=0)]


class Deadlines(BaseSettings):
    """Times in seconds that an order waits for another party before it continues without an answer."""

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
    """URLs of the payment providers, and limits for the calls to each."""

    payment_a_url: str
    payment_b_url: str
    payment_connect_timeout_s: Seconds = 1
    payment_timeout_s: Seconds = 5
    payment_calls_at_once: Annotated[int, Field(ge=1)] = 64
    """Concurrent calls to each provider. Further calls wait for at most `payment_connect_timeout_s`."""


@cache
def deadlines() -> Deadlines:
    """Return the deadlines. They are read once, on first use."""
    return Deadlines()
