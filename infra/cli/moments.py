"""Times as people write them on the command line."""

import re
from datetime import UTC, datetime, timedelta

import typer

AGO = re.compile(r"(\d{1,9})([smhd])")
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


def moment(text: str) -> datetime:
    """An ISO time, ours where it names no zone, or how long ago: 90s, 15m, 2h, 1d. Raises `BadParameter`."""
    try:
        if ago := AGO.fullmatch(text):
            return datetime.now(UTC) - timedelta(**{UNITS[ago[2]]: int(ago[1])})
        return datetime.fromisoformat(text).astimezone(UTC)
    except (ValueError, OverflowError):
        raise typer.BadParameter("write it as 2h, 30m, 1d or 2030-01-31T12:00") from None
