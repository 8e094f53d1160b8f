"""Defines the errors of calls that were not made and of deadlines that expired."""


class Refused(Exception):
    """The call or request was refused before any work was done. Retry after `retry_after_s` seconds."""

    retry_after_s = 1.0


class CircuitOpen(Refused):
    """The callee failed too often recently, or asked for a pause. No calls are made for `retry_after_s` seconds."""

    def __init__(self, why: str, retry_after_s: float = 1.0) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s


class RateLimited(Exception):
    """The callee did not carry out the request (429). No call should be made for `retry_after_s` seconds."""

    def __init__(self, why: str, retry_after_s: float) -> None:
        super().__init__(why)
        self.retry_after_s = retry_after_s


class BulkheadFull(Refused):
    """Too many calls to the callee are under way."""


class Overloaded(Refused):
    """The service has more requests under way than it can handle."""


class NoTimeLeft(Refused):
    """The deadline leaves too little time for this call."""


class DeadlineExceeded(TimeoutError):
    """The deadline expired. The work under way may or may not have taken effect."""
