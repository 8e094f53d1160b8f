"""The audit notices a wrong value in any field, or docs/audit.md says why it does not."""

import re
from collections import defaultdict
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import pytest

from contracts.registry import BY_TYPE, EVENTS
from infra.lab.audit.invariants import INVARIANTS
from infra.lab.audit.judge import DEFAULT_MINIMUM, judge
from marketplace_runtime.events import without_version
from tests.unit.audit.changed_evidence import changed_events, changed_records
from tests.unit.audit.world import a_world

PAGE = (Path(__file__).parents[3] / "docs/audit.md").read_text().partition("## Invariants")[0]
UNKNOWN = "unknown"
"""Stands for an invariant that could not be checked because of the change."""


class Row(NamedTuple):
    what: tuple[str, ...]
    fields: tuple[str, ...]
    checked_by: frozenset[str]
    partly: bool
    """Whether the row also says which changes are not noticed."""


def rows() -> Iterator[Row]:
    for line in PAGE.splitlines():
        if line.startswith("| `"):
            what, fields, checks = (cell.strip() for cell in line.strip("|").split(" | "))
            names = frozenset() if checks.startswith("nothing:") else frozenset(re.findall(r"`([a-z-]+)`", checks))
            yield Row(tuple(_quoted(what)), tuple(_quoted(fields)), names, "but not" in checks)


def _quoted(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


ROWS = list(rows())


def row_of(what: str, field: str) -> Row:
    """Return the row about a field, or about an object that contains it."""
    for row in ROWS:
        is_about = any(fnmatchcase(what, pattern) for pattern in row.what)
        if is_about and any(field == each or field.startswith(f"{each}.") for each in row.fields):
            return row
    pytest.fail(f"docs/audit.md does not say what checks {field} of {what}")


def noticed(found: dict[tuple[str, str], list[set[str]]]) -> None:
    """Assert that the named invariants noticed every change of a field, or some if the page says so."""
    for (what, field), violated in found.items():
        row = row_of(what, field)
        if not row.checked_by:
            assert not any(violated), f"{field} of {what} is checked: name the invariant in docs/audit.md"
            continue
        named = [bool(each & (row.checked_by | {UNKNOWN})) for each in violated]
        assert all(named) or (row.partly and any(named)), f"{field} of {what} was changed, and nothing of {row} noticed"


def test_every_field_of_every_event_is_checked_or_documented_as_unchecked() -> None:
    found: dict[tuple[str, str], list[set[str]]] = defaultdict(list)
    for type, field, evidence in changed_events(a_world()):
        violated = {each.invariant for each in judge(evidence, DEFAULT_MINIMUM).violations}
        if field == BY_TYPE[type].key:
            assert "events-are-authentic" in violated
        else:
            found[without_version(type), field].append(violated)
    noticed(found)


def test_every_other_field_of_the_evidence_is_checked_or_documented_as_unchecked() -> None:
    found: dict[tuple[str, str], list[set[str]]] = defaultdict(list)
    for path, evidence in changed_records(a_world()):
        verdict = judge(evidence, DEFAULT_MINIMUM)
        violated = {each.invariant for each in verdict.violations} | ({UNKNOWN} if verdict.unknown else set())
        what = max((each for row in ROWS for each in row.what if path.startswith(f"{each}.")), key=len, default="?")
        found[what, path.removeprefix(f"{what}.")].append(violated)
    noticed(found)


def test_the_evidence_contains_every_public_event() -> None:
    is_about = {type for _, type in a_world().log.events}
    assert {event.type for event in EVENTS if not event.internal} == is_about


def test_the_page_names_only_existing_invariants() -> None:
    known = {invariant.id for invariant in INVARIANTS}
    assert {name for row in ROWS for name in row.checked_by} <= known
