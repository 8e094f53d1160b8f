"""Calls that were not made, and time that was over."""


class Refused(Exception):
    """The call was not made: nothing was sent. Ask again later."""


class CircuitOpen(Refused):
    """The callee failed too often lately and is left alone for a while."""


class BulkheadFull(Refused):
    """Too many calls are under way."""


class Overloaded(Refused):
    """More is asked of us than we can do."""


class NoTimeLeft(Refused):
    """Who asked us will not wait long enough for this call."""


class DeadlineExceeded(TimeoutError):
    """Time is up: what was under way may or may not have been done."""
