"""Errors of an order. The docstring of an error is its message, unless it is given another."""


class OrderError(Exception):
    """Base of the errors for what an order does not allow."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class TooLate(OrderError):
    """The parcel has left, so the order can no longer be cancelled."""


class AlreadyDelivered(TooLate):
    """The order was delivered, so it can no longer be cancelled."""


class Inconsistent(OrderError):
    """The total is not the sum of the lines in one currency, or a lowered price is not below the price of its line."""
