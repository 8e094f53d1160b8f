"""Calls that were not made, and time that was over."""


class Refused(Exception):
    """The call was not made: nothing was sent. Ask again after `retry_after_s`."""

    retry_after_s = 1.0


class CircuitOpen(Refused):
    """The callee failed too often lately and is left alone for `retry_after_s`."""

    def __init__(self, why: str, retry_after_s: float = 1.0) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s


class AskedToWait(Exception):
    """The callee did not carry out the request and asked to be left alone for `retry_after_s` (429, or Retry-After)."""

    def __init__(self, why: str, retry_after_s: float) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s


class BulkheadFull(Refused):
    """Too many calls are under way."""


class Overloaded(Refused):
    """More is asked of us than we can do."""


class NoTimeLeft(Refused):
    """Who asked us will not wait long enough for this call."""


class DeadlineExceeded(TimeoutError):
    """Time is up: what was under way may or may not have been done."""
