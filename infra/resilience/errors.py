"""Calls that were not made."""


class Refused(Exception):
    """The call was not made: nothing was sent. Ask again later."""


class CircuitOpen(Refused):
    """The callee failed too often lately and is left alone for a while."""


class BulkheadFull(Refused):
    """Too many calls are under way."""


class Overloaded(Refused):
    """More is asked of us than we can do."""
