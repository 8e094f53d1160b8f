"""Converts the final states of a service into a form in which two runs can be compared."""

import json
import re
from collections import Counter
from collections.abc import Collection

ANY_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
ANY_TIME = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d(:?\d\d)?)?")
PUBLISHED = "published events"

State = dict[str, list[str]]
"""Comparable rows by table. Published events are the rows of the table `PUBLISHED`."""


def comparable(row: object, known: Collection[str]) -> str:
    """Return a row as text without times, and without the ids that the service generated: those not in `known`."""
    text = ANY_TIME.sub("<time>", json.dumps(row, sort_keys=True))
    return ANY_ID.sub(lambda found: found[0] if found[0].lower() in known else "<id>", text)


def ids_in(text: str) -> list[str]:
    """Return every id that occurs in a text."""
    return [found[0] for found in ANY_ID.finditer(text)]


def published_in(state: State) -> State:
    """Return only the published events, which other services receive.

    Rows may legitimately differ if an external call was made twice.
    """
    return {PUBLISHED: state[PUBLISHED]}


def differences(expected: State, found: State) -> list[str]:
    """Return a line for each row that only one state has, with `-` if that is `expected`, and `+` if it is `found`."""
    return [
        f"  {name}: {sign} {row}"
        for name in expected
        for sign, rows, other_rows in (("-", expected[name], found[name]), ("+", found[name], expected[name]))
        for row in (Counter(rows) - Counter(other_rows)).elements()
    ]
