"""The tests that docs/degradation.md names in its tables of outages exist."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HEADERS = ("| away | what customers can still do |", "| away | reads | writes |")


def rows(header: str) -> list[list[str]]:
    """Return the cells of the table that begins with `header`, without its header."""
    text = (ROOT / "docs/degradation.md").read_text()
    table = text[text.index(header) :].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


@pytest.mark.parametrize("header", HEADERS)
def test_every_row_names_existing_tests_of_the_real_stack(header: str) -> None:
    there = {name for path in (ROOT / "tests/system").glob("test_*.py") for name in named_in(path)}
    for away, *_, shown_by in rows(header):
        named = set(re.findall(r"`(test_\w+)`", shown_by))
        assert named, f"{away}: no test is named"
        assert named <= there, f"{away}: {named - there} not found"


def named_in(path: Path) -> list[str]:
    return re.findall(r"^(?:async )?def (test_\w+)\(", path.read_text(), re.MULTILINE)
