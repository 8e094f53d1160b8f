"""Records injected faults and their end in the stack's record file, which the audit reads."""

import json
import time
from collections.abc import Iterable
from typing import Any

from infra.stack.layout import Layout


def record_fault(
    layout: Layout,
    kind: str,
    part: str,
    *,
    began: float,
    ended: float | None = None,
    effect_observed: bool | None = None,
) -> None:
    """Record a fault. `began` and `ended` are Unix times. Without `ended`, the fault is still in effect.

    `effect_observed` states whether an effect of the fault was observed. None: not checked.
    """
    optional = {"ended": ended, "bite": effect_observed}
    line = {"did": "fault", "kind": kind, "part": part, "began": began}
    _append(layout, line | {name: value for name, value in optional.items() if value is not None})


def record_parts_up(layout: Layout, parts: Iterable[str]) -> None:
    """Record that these parts are up again, which ends the faults that had stopped or paused them."""
    for part in parts:
        _append(layout, {"did": "heal", "part": part, "at": time.time()})


def record_start(layout: Layout) -> None:
    """Record that the stack starts. Nothing of it ran before, so every earlier fault has ended."""
    _append(layout, {"did": "start", "at": time.time()})


def _append(layout: Layout, line: dict[str, Any]) -> None:
    with layout.record.open("a", encoding="utf-8") as record:
        record.write(json.dumps(line) + "\n")
