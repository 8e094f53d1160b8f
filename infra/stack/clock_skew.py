"""Skews the wall clock of a program with libfaketime, to simulate a machine whose clock is wrong."""

import math
from collections.abc import Iterable
from pathlib import Path

from infra.stack.errors import LocalError

LIBRARIES = ("usr/lib/*/faketime/libfaketime.so.1", "usr/lib/faketime/libfaketime.so.1")
PACKAGE = "faketime"


def find_library(root: Path = Path("/")) -> Path | None:
    """Return the path of libfaketime. None if it is not installed."""
    found: Iterable[Path] = (path for pattern in LIBRARIES for path in sorted(root.glob(pattern)))
    return next(iter(found), None)


def set_skew(file: Path, seconds: float) -> None:
    """Store in `file` that a program's clock is `seconds` ahead. It takes effect when the program is started next.

    Raises `LocalError` if libfaketime is not installed, or `seconds` is not finite.
    """
    if find_library() is None:
        raise LocalError("libfaketime is not installed.", f"Run: sudo apt-get install -y {PACKAGE}")
    if not math.isfinite(seconds):
        raise LocalError(f"A clock cannot be {seconds} s ahead.", "Give a finite number of seconds, such as -30.")
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.write_text(f"{seconds:+g}")


def environment(file: Path | None) -> dict[str, str]:
    """Return the environment variables that skew a program's clock by the seconds in `file`.

    The result is empty if there is no such file, or libfaketime is not installed. Only the wall clock is skewed, not
    the monotonic clock, which measures durations.
    """
    library = find_library()
    if file is None or not file.exists() or library is None:
        return {}
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{file.read_text()}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
