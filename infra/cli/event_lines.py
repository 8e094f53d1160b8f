"""Formats events, and the steps of an order's story, as one line each."""

from collections.abc import Sequence
from datetime import datetime

from rich.text import Text

from infra.lab.watch import HistoryEntry, TailedMessage

PUBLISHERS = ("cyan", "magenta", "green", "yellow", "blue", "bright_cyan", "bright_magenta", "bright_green")
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


def event_line(seen: TailedMessage, services: Sequence[str]) -> Text:
    """Return the line of an event: its time, type, subject and body.

    Names the actual publisher, if that is not the service that owns the type.
    """
    publisher = seen.type.partition(".")[0]
    return Text.assemble(
        (_clock(seen.said_at) if seen.said_at else "unknown time", "dim"),
        (f" {seen.type} ", f"bold {_colour(publisher, services)}"),
        (seen.subject, "bold"),
        ("" if seen.user == publisher else f" [published by {seen.user or 'an unknown user'}]", "bold red"),
        (f" {seen.body.decode(errors='replace')}", "dim"),
    )


def moment_line(moment: HistoryEntry, began: datetime, services: Sequence[str]) -> Text:
    """Return the line of one step: time, seconds since the story began, queue or service, what happened, details."""
    after = (moment.at - began).total_seconds()
    return Text.assemble(
        (_clock(moment.at) if moment.at.year < 9999 else "parked      ", "dim"),
        (f" {after:+10.3f} s  " if moment.at.year < 9999 else " " * 15, "dim"),
        (f"{moment.where or moment.service:<24}", _colour(moment.service, services)),
        (f" {VERBS[moment.what]} {moment.type}", STYLES.get(moment.what, "")),
        (f"  {moment.detail}" if moment.detail else "", "dim"),
    )


def _clock(at: datetime) -> str:
    return at.astimezone().strftime("%H:%M:%S.%f")[:12]


def _colour(service: str, services: Sequence[str]) -> str:
    return PUBLISHERS[services.index(service) % len(PUBLISHERS)] if service in services else "white"
