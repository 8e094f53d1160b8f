"""Defines the errors of messages that cannot be read as an event."""


class InvalidMessage(Exception):
    """The message cannot be read as an event. `reason` is a short stable word that says why."""

    def __init__(self, reason: str, explanation: str) -> None:
        super().__init__(explanation)
        self.reason = reason


class UnknownVersion(InvalidMessage):
    """The message has a version that this code does not know, of an event that it knows.

    A newer replica may handle it.
    """

    def __init__(self, explanation: str) -> None:
        super().__init__("unknown-version", explanation)
