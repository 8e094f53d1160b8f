"""Formats events, and the entries of an order's history, as one line each."""

from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

from infra.lab.watch import HistoryEntry, TailedMessage

SERVICE_COLOURS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green")
STYLES = {"said": "bold", "failed": "yellow", "duplicate": "yellow", "waiting": "dim", "dead": "bold red"}
VERBS = {
    "said": "publishes",
    "handled": "handles",
    "failed": "fails to handle",
    "duplicate": "receives again",
    "waiting": "will handle",
    "dead": "dead-letters",
    "settled": "settles the dead letter of",
}


def event_line(message: TailedMessage, services: Sequence[str]) -> Text:
    """Return the line of an event: its time, type, subject and body.

    Names the actual publisher, if that is not the service that owns the type.
    """
    publisher = message.type.partition(".")[0]
    return Text.assemble(
        (_clock_time(message.published_at) if message.published_at else "unknown time", "dim"),
        (f" {message.type} ", f"bold {_colour(publisher, services)}"),
        (message.subject, "bold"),
        ("" if message.user == publisher else f" [published by {message.user or 'an unknown user'}]", "bold red"),
        (f" {message.body.decode(errors='replace')}", "dim"),
    )


def history_line(entry: HistoryEntry, began: datetime, services: Sequence[str]) -> Text:
    """Return the line of one entry: time, seconds since the history began, queue or service, what happened, details.

    A parked event has no time yet. Its entry has the year 9999, so that it is sorted last.
    """
    after = (entry.at - began).total_seconds()
    return Text.assemble(
        (_clock_time(entry.at) if entry.at.year < 9999 else "parked      ", "dim"),
        (f" {after:+10.3f} s  " if entry.at.year < 9999 else " " * 15, "dim"),
        (f"{entry.where or entry.service:<24}", _colour(entry.service, services)),
        (f" {VERBS[entry.what]} {entry.type}", STYLES.get(entry.what, "")),
        (f"  {entry.detail}" if entry.detail else "", "dim"),
    )


def _clock_time(at: datetime) -> str:
    return at.astimezone().strftime("%H:%M:%S.%f")[:12]


def _colour(service: str, services: Sequence[str]) -> str:
    return SERVICE_COLOURS[services.index(service) % len(SERVICE_COLOURS)] if service in services else "white"
