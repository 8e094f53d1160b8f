"""A program whose clock is wrong, as a machine's may be: by libfaketime, from its start on."""

import math
from collections.abc import Iterable
from pathlib import Path

from infra.stack.errors import LocalError

LIBRARIES = ("usr/lib/*/faketime/libfaketime.so.1", "usr/lib/faketime/libfaketime.so.1")
PACKAGE = "faketime"


def find_library(root: Path = Path("/")) -> Path | None:
    """Return libfaketime, where it is installed."""
    found: Iterable[Path] = (path for pattern in LIBRARIES for path in sorted(root.glob(pattern)))
    return next(iter(found), None)


def set_skew(file: Path, seconds: float) -> None:
    """Have the program that reads `file` be started with a clock so far ahead. Raises `LocalError`."""
    if find_library() is None:
        raise LocalError("libfaketime is not installed.", f"Run: sudo apt-get install -y {PACKAGE}")
    if not math.isfinite(seconds):
        raise LocalError(f"A clock cannot be {seconds} s ahead.", "Say so many seconds, such as -30.")
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.write_text(f"{seconds:+g}")


def environment(file: Path | None) -> dict[str, str]:
    """What makes a program's clock as wrong as `file` says: nothing, where there is no such file.

    Only the time of day is wrong; what measures how long something takes is not.
    """
    library = find_library()
    if file is None or not file.exists() or library is None:
        return {}
    return {"LD_PRELOAD": str(library), "FAKETIME": f"{file.read_text()}s", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
