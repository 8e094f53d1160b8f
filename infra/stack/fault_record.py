"""What was broken on purpose, and mended: lines of the stack's record, for the audit."""

import json
import time
from collections.abc import Iterable
from typing import Any

from infra.stack.layout import Layout


def note_fault(
    where: Layout, kind: str, part: str, *, began: float, ended: float | None = None, bite: bool | None = None
) -> None:
    """A fault, in Unix time; it lasts if it has not `ended`. `bite`: whether anybody who looked saw it take hold."""
    known = {"ended": ended, "bite": bite}
    line = {"did": "fault", "kind": kind, "part": part, "began": began}
    _note(where, line | {name: value for name, value in known.items() if value is not None})


def note_healed(where: Layout, parts: Iterable[str]) -> None:
    """These parts are up again: whatever had them down or paused is over."""
    for part in parts:
        _note(where, {"did": "heal", "part": part, "at": time.time()})


def note_start(where: Layout) -> None:
    """The stack starts, of which nothing ran: no fault outlives that."""
    _note(where, {"did": "start", "at": time.time()})


def _note(where: Layout, line: dict[str, Any]) -> None:
    with where.record.open("a", encoding="utf-8") as record:
        record.write(json.dumps(line) + "\n")
