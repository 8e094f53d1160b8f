"""Implements W3C trace context, level 1 (https://www.w3.org/TR/trace-context-1/), in a context variable."""

import random
import re
from contextvars import ContextVar, Token
from types import TracebackType

from structlog.typing import EventDict, WrappedLogger

_TRACEPARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.ASCII)
_SAMPLED = 1

_current: ContextVar["trace | None"] = ContextVar("trace", default=None)


def new_traceparent() -> str:
    """Return the root span of a new, sampled trace."""
    return f"00-{_random_id(128):032x}-{_random_id(64):016x}-01"


def child_traceparent(traceparent: str | None) -> str:
    """Return a new span in the same trace, or the root of a new trace if `traceparent` is missing or invalid."""
    parts = _parsed(traceparent)
    if parts is None:
        return new_traceparent()
    trace_id, flags = parts
    return f"00-{trace_id}-{_random_id(64):016x}-{flags & _SAMPLED:02x}"


def current_traceparent() -> str:
    """Return the span of the current task, or the root of a new trace if it has none."""
    current = _current.get()
    return current.span if current else new_traceparent()


class trace:  # noqa: N801 - used as a block, reads as a verb: `with trace(parent, event_id=...):`
    """Runs a block in a new span below `traceparent`. Every log line in the block carries the span and `ids`.

    Entering returns the new span's traceparent. Log lines in an inner block also carry the ids of the outer block.
    """

    __slots__ = ("_ids", "_token", "span")

    def __init__(self, traceparent: str | None = None, **ids: str) -> None:
        self.span = child_traceparent(traceparent)
        self._ids = ids
        self._token: Token[trace | None] | None = None

    def __enter__(self) -> str:
        outer = _current.get()
        if outer is not None:
            self._ids = outer._ids | self._ids
        self._token = _current.set(self)
        return self.span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        if self._token is not None:
            _current.reset(self._token)

    def ids(self) -> dict[str, str]:
        """Return the ids that a log line in this block carries."""
        _, trace_id, span_id, _ = self.span.split("-")
        return {"trace_id": trace_id, "span_id": span_id, **self._ids}


def add_trace(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Add the ids of the current block to a log line. This is a structlog processor; it keeps fields that are set."""
    current = _current.get()
    if current is not None:
        for name, value in current.ids().items():
            event.setdefault(name, value)
    return event


def _parsed(traceparent: str | None) -> tuple[str, int] | None:
    """Return trace id and flags, or None if the specification requires the header to be ignored."""
    match = _TRACEPARENT.fullmatch(traceparent) if traceparent else None
    if match is None:
        return None
    version, trace_id, parent_id, flags, rest = match.groups()
    if version == "ff" or (version == "00" and rest is not None):
        return None
    if trace_id == "0" * 32 or parent_id == "0" * 16:
        return None
    return trace_id, int(flags, 16)


def _random_id(bits: int) -> int:
    return random.getrandbits(bits) or 1
