"""Formats dead letters as tables for people."""

import json
from datetime import UTC, datetime
from typing import Any

from rich.table import Table
from rich.text import Text

from infra.cli.operations_client import OperationsClient
from infra.cli.output import console, duration, pluralized, print_error
from infra.stack import LocalError

AGE_FIELDS = {"age": "filed_at", "oldest": "oldest", "newest": "newest"}
"""Maps each column that shows an age to the field with its time."""

LONG_COLUMNS, WIDE_TERMINAL = ("event_id", "reason", "error"), 130
"""The columns that are printed below the table if the terminal is narrower than `WIDE_TERMINAL` characters."""


def fetch_groups(client: OperationsClient, services: list[str]) -> tuple[list[dict[str, Any]], bool]:
    """Return the groups of dead letters of these services, largest first, and whether a service did not answer.

    Prints a complaint for each service that did not answer or has set events aside. Raises `LocalError` if the only
    service does not answer.
    """
    rows: list[dict[str, Any]] = []
    is_incomplete = False
    for name in services:
        try:
            rows += [{"service": name, **each} for each in client.items(name, "dead-letter-groups")]
            number = client.request("GET", name, "backlog")["set_aside"]
        except LocalError as error:
            if len(services) == 1:
                raise
            print_error(str(error), error.remedy)
            is_incomplete = True
            continue
        if number:
            print_error(
                f"{name} set {pluralized(number, 'event')} aside as unpublishable.",
                f"GET /ops/set-aside of {name} lists them. Publish again: ./marketplace dead retry {name}",
            )
    return sorted(rows, key=lambda row: -row["letters"]), is_incomplete


def show_table(headings: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    """Print a table. On a narrow terminal, long columns are printed below it, so that no word is broken."""
    below = [name for name in LONG_COLUMNS if name in headings and console.width < WIDE_TERMINAL]
    columns = [name for name in headings if name not in below]
    table = Table(box=None, pad_edge=False)
    for heading in columns:
        table.add_column(heading, overflow="fold", no_wrap=heading != "error")
    lines_below = []
    for row in rows:
        shown = row | {
            "letter": f"{row['service']}/{row.get('id')}",
            "group": f"{row['service']}/{row['group']}",
            "error": row["error"].partition("\n")[0],
        }
        shown |= {name: _age(row[at]) for name, at in AGE_FIELDS.items() if at in row}
        table.add_row(*(_plain(shown[heading] or "") for heading in columns))
        lines_below.append(_plain(f"{shown[headings[0]]}: " + ": ".join(str(shown[name]) for name in below)))
    console.print(table)
    if below:
        console.print("", *lines_below, sep="\n", soft_wrap=True)


def _plain(value: object) -> Text:
    """Return text from outside with non-printable characters replaced, so that it cannot control the terminal."""
    return Text("".join(each if each.isprintable() else "�" for each in str(value)))


def _age(at: str) -> str:
    return duration((datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds())


def format_json(body: str) -> str:
    """Return a body indented for reading, or unchanged if it is not JSON."""
    try:
        return json.dumps(json.loads(body), indent=2)
    except ValueError:
        return body
