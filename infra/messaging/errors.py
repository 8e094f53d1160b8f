"""How a handler, or the runtime for it, says that a delivery went wrong."""

from datetime import timedelta


class Reject(Exception):
    """This event can never be handled: dead-letter it at once."""


class RetryLater(Exception):
    """Not now: hear this event again after `delay`, as one more attempt."""

    def __init__(self, delay: timedelta) -> None:
        super().__init__(f"again in {delay.total_seconds():g} s")
        self.delay = delay


class Invalid(Exception):
    """A message that can't be read as an event. `reason` is a short stable word for it."""

    def __init__(self, reason: str, explanation: str) -> None:
        super().__init__(explanation)
        self.reason = reason


class UnknownVersion(Invalid):
    """A version that this code does not understand, of an event that it does: a newer replica may take it."""

    def __init__(self, explanation: str) -> None:
        super().__init__("unknown-version", explanation)


class TopologyDiffers(Exception):
    """What the broker has is not what the services are wired for."""
