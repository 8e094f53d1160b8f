"""The contract gate: compares today's events with their golden schemas, which are files under version control.

A golden schema is the class's `model_json_schema`, against which anyone may validate message bodies. In `x-event` it
has the type, the key, whether the event is internal, and its last day if it is deprecated. It changes only if the gate
accepts the change.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from contracts.compatibility import find_breaking_changes
from contracts.findings import Finding
from contracts.golden_files import read_golden, write_golden
from contracts.normal_form import Schema, canonical_json
from contracts.registry import EVENTS
from marketplace_runtime.events import Event

SCHEMAS = Path(__file__).parent / "schemas"
DRAFT = "https://json-schema.org/draft/2020-12/schema"


class Verdict(Enum):
    AGREES = "agrees"
    NEW = "new: no golden schema yet"
    CHANGED = "changed compatibly; its golden schema is not updated yet"
    BREAKS = "breaks its contract"
    UNREADABLE = "its golden schema can't be read"

    @property
    def is_refused(self) -> bool:
        return self in (Verdict.BREAKS, Verdict.UNREADABLE)


@dataclass(frozen=True)
class Review:
    """The verdict on one event type."""

    event_type: str
    event: type[Event] | None
    """None if only a golden schema is left."""
    verdict: Verdict
    findings: tuple[Finding, ...] = ()


def golden_schema(event: type[Event]) -> Schema:
    """Return the golden schema that `event` would have today."""
    about = {"type": event.type, "key": event.key, "internal": event.internal}
    if event.deprecated is not None:
        about["deprecated"] = event.deprecated.isoformat()
    return {"$schema": DRAFT, "x-event": about, **event.model_json_schema()}


def golden_file(type: str, folder: Path = SCHEMAS) -> Path:
    return folder / f"{type}.json"


def review(events: Iterable[type[Event]], folder: Path = SCHEMAS) -> list[Review]:
    """Return one review per event and per golden schema without an event, sorted by type."""
    reviews = {event.type: _review(event, golden_file(event.type, folder)) for event in events}
    gone = Finding("", "event removed", "services may consume it, and old events are still stored or on their way")
    for file in folder.glob("*.json"):
        reviews.setdefault(file.stem, Review(file.stem, None, Verdict.BREAKS, (gone,)))
    return [reviews[type] for type in sorted(reviews)]


def write_golden_schemas(reviews: Iterable[Review], folder: Path = SCHEMAS) -> list[Path]:
    """Write the golden schemas of new and of compatibly changed events, and no others. Returns the files written."""
    written: list[Path] = []
    for each in reviews:
        if each.event is not None and each.verdict in (Verdict.NEW, Verdict.CHANGED):
            file = golden_file(each.event_type, folder)
            write_golden(file, golden_schema(each.event))
            written.append(file)
    return written


def explain(review: Review) -> str:
    """Return, for people, what is wrong and what to do about it."""
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
            f"Once no service publishes or consumes it and no such event is stored anywhere, delete {file}, too.",
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
    third_step = (
        f"Let {event.publisher} consume both versions while an event of V{event.version} may be stored:"
        if event.internal
        else f"Let {event.publisher} publish both versions until no service consumes V{event.version}. Consumers use:"
    )
    return [
        f"1. Put {event.__name__} and its parts back as {file} has them.",
        f"2. Begin a new version: ./marketplace new event {name}.v{version}",
        f"   Make the change there, in contracts/{event.publisher}.py (give changed parts new classes),",
        f'     class {new}(Event, type="{name}.v{version}", key="{event.key}"{internal}): ...',
        "   and in its upcast in contracts/upcasts.py. Then run `python -m contracts write`.",
        f"3. {third_step}",
        f"     on({new}, …).or_older({event.__name__}, upcast)",
        "docs/change-an-event.md shows it with an example.",
    ]


def _review(event: type[Event], file: Path) -> Review:
    if not file.exists():
        return Review(event.type, event, Verdict.NEW)
    new = golden_schema(event)
    try:
        old = read_golden(file)
    except ValueError as error:
        unreadable = Finding("", f"not a JSON Schema: {error}", "nothing can be compared with it")
        return Review(event.type, event, Verdict.UNREADABLE, (unreadable,))
    if canonical_json(old) == canonical_json(new):
        return Review(event.type, event, Verdict.AGREES)
    findings = tuple(find_breaking_changes(old, new))
    return Review(event.type, event, Verdict.BREAKS if findings else Verdict.CHANGED, findings)
