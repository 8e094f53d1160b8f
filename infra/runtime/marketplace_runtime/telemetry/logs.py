"""Writes structured logs to stderr: JSON lines for machines, or one readable line per event for people.

Values are treated as data: they cannot forge a line, and secrets in them are redacted. A log line that cannot be
written (full disk, closed pipe) is dropped and never fails the work that it reports.
"""

import logging
import logging.config
import re
import sys
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any, Literal, TextIO, cast

import structlog
from structlog.typing import EventDict, FilteringBoundLogger, Processor, WrappedLogger

from marketplace_runtime.telemetry.tracing import add_trace

REDACTED = "[redacted]"

_SECRET_NAME = re.compile(r"passw|secret|token|authoriz|api_?key|private_?key|credential|cookie|signature", re.I)
_URL_PASSWORD = re.compile(r"(?<=://)([^\s/@:]*):[^\s/@]+@")
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")
_MAX_DEPTH = 6
"""Levels of nested values that are searched for secrets."""


def configure_logging(
    service: str,
    *,
    format: Literal["json", "console"] = "json",
    level: str = "info",
    stream: TextIO | None = None,
) -> None:
    """Send all log lines of this process, including the standard library's, to `stream` (default: stderr)."""
    out = _LossyStream(stream or sys.stderr)
    threshold = logging.getLevelNamesMapping()[level.upper()]
    shared: list[Processor] = [
        add_trace,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    last = _json_processors(service) if format == "json" else _console_processors()
    structlog.configure(
        processors=[*shared, *last],
        wrapper_class=structlog.make_filtering_bound_logger(threshold),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", out)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(cast("TextIO", out))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*shared, _add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *last],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    for name in ("aiormq", "aio_pika"):  # the runtime handles and logs their errors itself
        logging.getLogger(name).setLevel(logging.CRITICAL)
    logging.getLogger("uvicorn.access").disabled = True
    logging.getLogger("uvicorn.error").setLevel(max(threshold, logging.WARNING))


def get_logger(name: str) -> FilteringBoundLogger:
    """Return a logger that takes an event and key-value pairs. Calls below the log level are cheap."""
    return cast("FilteringBoundLogger", structlog.get_logger(module=name))


def redact(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Redact values of secret keys, down to six levels of nesting, and passwords in URLs.

    An integer on the top level is kept, even under a key that looks secret.
    """
    for key, value in event.items():
        if value.__class__ is not int:
            event[key] = REDACTED if _is_secret(key) else _redacted(value, 0)
    return event


def escape(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Escape control characters, so that an event stays one line; indent exceptions. (JSON does so by itself.)"""
    for key, value in event.items():
        if key != "exception":
            text = value if isinstance(value, str) else repr(value)
            event[key] = _CONTROL.sub(_escaped, text)
        else:
            event[key] = "\n".join("    " + _CONTROL.sub(_escaped, line) for line in str(value).split("\n"))
    return event


def _json_processors(service: str) -> list[Processor]:
    def add_service(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
        event["service"] = service
        return event

    return [add_service, structlog.processors.format_exc_info, redact, structlog.processors.JSONRenderer()]


def _console_processors() -> list[Processor]:
    renderer = structlog.dev.ConsoleRenderer(colors=False, pad_event_to=0, exception_formatter=_print_nothing)
    return [structlog.processors.format_exc_info, redact, escape, renderer]


def _print_nothing(stream: TextIO, exc_info: object) -> None:
    """Write nothing: `format_exc_info` has already turned the exception into text."""


def _add_logger_name(logger: WrappedLogger, _: str, event: EventDict) -> EventDict:
    record = event.get("_record")
    event["module"] = record.name if record is not None else getattr(logger, "name", "")
    return event


@lru_cache(maxsize=4096)
def _is_secret(key: str) -> bool:
    return _SECRET_NAME.search(key) is not None


def _redacted(value: Any, depth: int) -> Any:
    if isinstance(value, str):
        return _URL_PASSWORD.sub(rf"\1:{REDACTED}@", value) if "://" in value else value
    if depth < _MAX_DEPTH and isinstance(value, Mapping):
        return {
            str(key): REDACTED if _is_secret(str(key)) else _redacted(inner, depth + 1) for key, inner in value.items()
        }
    if depth < _MAX_DEPTH and isinstance(value, list | tuple | set | frozenset):
        return [_redacted(inner, depth + 1) for inner in value]
    return value


def _escaped(control: re.Match[str]) -> str:
    return control[0].encode("unicode_escape").decode()


class _LossyStream:
    """A stream that drops what it cannot write."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with suppress(OSError, ValueError):  # full, closed, or not encodable
            self._stream.write(text)

    def flush(self) -> None:
        with suppress(OSError, ValueError):
            self._stream.flush()
