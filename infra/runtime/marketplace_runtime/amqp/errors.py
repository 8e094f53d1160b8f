"""How a handler, or the runtime for it, says that a delivery went wrong."""

from datetime import timedelta


class Reject(Exception):
    """This event can never be handled: dead-letter it at once."""


class RetryLater(Exception):
    """Not now: run this event again after `delay`. That is no attempt, so it can go on for any time.

    With `give_up_after`, the event is dead-lettered when it has waited for so long.
    """

    def __init__(self, delay: timedelta, *, give_up_after: timedelta | None = None) -> None:
        super().__init__(f"again in {delay.total_seconds():g} s")
        self.delay, self.give_up_after = delay, give_up_after


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
