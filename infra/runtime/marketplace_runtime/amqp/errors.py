"""Why a message cannot be read as an event."""


class Invalid(Exception):
    """A message that can't be read as an event. `reason` is a short stable word for it."""

    def __init__(self, reason: str, explanation: str) -> None:
        super().__init__(explanation)
        self.reason = reason


class UnknownVersion(Invalid):
    """A version that this code does not understand, of an event that it does: a newer replica may take it."""

    def __init__(self, explanation: str) -> None:
        super().__init__("unknown-version", explanation)
