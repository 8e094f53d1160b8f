"""Parses times on the command line."""

import re
from datetime import UTC, datetime, timedelta

import typer

AGO = re.compile(r"(\d{1,9})([smhd])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def parse_time(text: str) -> datetime:
    """Parse an ISO time (local time if it has no zone), or a time ago: 90s, 15m, 2h, 1d. Returns it in UTC.

    Raises `BadParameter` if it is neither, or lies in the future.
    """
    try:
        if ago := AGO.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        at = datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter(f"{text!r} is not a time: write it as 2h, 30m, 1d or 2026-01-31T12:00") from None
    if at > datetime.now(UTC):
        raise typer.BadParameter(f"{text} is in the future")
    return at
