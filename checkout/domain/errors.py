"""What goes wrong with an order, for whoever asked for it."""


class OrderError(Exception):
    """Something that an order cannot do."""

    def __init__(self, message: str | None = None) -> None:
        super().__init__(message or self.__doc__)


class TooLate(OrderError):
    """The parcel has left, so the order can no longer be cancelled."""


class Arrived(TooLate):
    """The order was delivered, so it can no longer be cancelled."""


class Inconsistent(OrderError):
    """The total is not the sum of the lines in one currency, or what is said to cost less does not."""
