"""The contract gate: today's events against their golden schemas, which are files under version control.

A golden schema is what `model_json_schema` makes of the class, which anyone may validate bodies against, and
in `x-event` the type, the key, whether the event is internal, and its last day if it is deprecated. It changes
only with the gate's consent.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from contracts.compatibility import judge
from contracts.findings import Finding
from contracts.normal_form import Schema, text
from contracts.registry import EVENTS
from marketplace_runtime.events import Event

SCHEMAS = Path(__file__).parent / "schemas"
DRAFT = "https://json-schema.org/draft/2020-12/schema"


class Verdict(Enum):
    AGREES = "agrees"
    NEW = "new: no golden schema yet"
    CHANGED = "changed compatibly; its golden schema doesn't say so yet"
    BREAKS = "breaks its contract"
    UNREADABLE = "its golden schema can't be read"

    @property
    def refused(self) -> bool:
        return self in (Verdict.BREAKS, Verdict.UNREADABLE)


@dataclass(frozen=True)
class Review:
    """The verdict on one event type."""

    event_type: str
    event: type[Event] | None
    """None where only a golden schema is left."""
    verdict: Verdict
    findings: tuple[Finding, ...] = ()


def golden(event: type[Event]) -> Schema:
    """The golden schema that `event` would have today."""
    about = {"type": event.type, "key": event.key, "internal": event.internal}
    if event.deprecated is not None:
        about["deprecated"] = event.deprecated.isoformat()
    return {"$schema": DRAFT, "x-event": about, **event.model_json_schema()}


def golden_file(type: str, folder: Path = SCHEMAS) -> Path:
    return folder / f"{type}.json"


def review(events: Iterable[type[Event]], folder: Path = SCHEMAS) -> list[Review]:
    """One review per event and per golden schema that has no event any more, by type."""
    reviews = {event.type: _review(event, golden_file(event.type, folder)) for event in events}
    gone = Finding("", "event removed", "consumers may hear it, and old events are still stored or on their way")
    for file in folder.glob("*.json"):
        reviews.setdefault(file.stem, Review(file.stem, None, Verdict.BREAKS, (gone,)))
    return [reviews[type] for type in sorted(reviews)]


def record(reviews: Iterable[Review], folder: Path = SCHEMAS) -> list[Path]:
    """Write the golden schemas of what is new or changed compatibly, and nothing else."""
    folder.mkdir(exist_ok=True)
    written: list[Path] = []
    for each in reviews:
        if each.event is not None and each.verdict in (Verdict.NEW, Verdict.CHANGED):
            file = golden_file(each.event_type, folder)
            file.write_text(json.dumps(golden(each.event), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
            written.append(file)
    return written


def explain(review: Review) -> str:
    """What is the matter and what to do about it, for people."""
    name = f" ({review.event.__name__})" if review.event else ""
    lines = [f"{review.event_type}{name}: {review.verdict.value}"]
    for finding in review.findings:
        lines += [f"    {finding.path or 'the event'}: {finding.change}", f"        {finding.why}"]
    if review.verdict is not Verdict.AGREES:
        lines += ["  What to do:", *(f"    {line}" for line in _remedy(review))]
    return "\n".join(lines)


def _remedy(review: Review) -> list[str]:
    file = f"contracts/schemas/{review.event_type}.json"
    if review.event is None:
        return [
            "Put the class back, and its line in contracts/registry.py.",
            f"Once no service hears or says it and no such event is stored anywhere, delete {file} with it.",
        ]
    match review.verdict:
        case Verdict.BREAKS:
            return _next_version(review.event, file)
        case Verdict.UNREADABLE:
            return [f"Restore {file} from version control."]
        case _:
            return [f"Run `python -m contracts write` and commit {file}."]


def _next_version(event: type[Event], file: str) -> list[str]:
    name = event.type.removesuffix(f".v{event.version}")
    version = 1 + max(each.version for each in (event, *EVENTS) if each.type.startswith(f"{name}.v"))
    new = f"{event.__name__.removesuffix(f'V{event.version}')}V{version}"
    internal = ", internal=True" if event.internal else ""
    last = (
        f"Let {event.publisher} hear both versions while one of V{event.version} may be stored:"
        if event.internal
        else f"Let {event.publisher} say both versions until nobody hears V{event.version}, and who hears both say:"
    )
    return [
        f"1. Put {event.__name__} and its parts back as {file} has them.",
        f"2. Begin a version of its own: ./marketplace new event {name}.v{version}",
        f"   Make the change there, in contracts/{event.publisher}.py (changed parts get classes of their own),",
        f'     class {new}(Event, type="{name}.v{version}", key="{event.key}"{internal}): ...',
        "   and in its upcast in contracts/upcasts.py. Then run `python -m contracts write`.",
        f"3. {last}",
        f"     on({new}, …).or_older({event.__name__}, upcast)",
        "docs/change-an-event.md tells it with an example.",
    ]


def _review(event: type[Event], file: Path) -> Review:
    if not file.exists():
        return Review(event.type, event, Verdict.NEW)
    new = golden(event)
    try:
        old = _read(file)
    except ValueError as error:
        unreadable = Finding("", f"no JSON Schema: {error}", "nothing can be compared with it")
        return Review(event.type, event, Verdict.UNREADABLE, (unreadable,))
    if text(old) == text(new):
        return Review(event.type, event, Verdict.AGREES)
    findings = tuple(judge(old, new))
    return Review(event.type, event, Verdict.BREAKS if findings else Verdict.CHANGED, findings)


def _read(file: Path) -> Schema:
    match json.loads(file.read_text(encoding="utf-8")):
        case dict() as schema:
            return schema
        case _:
            raise ValueError("it is no object")
