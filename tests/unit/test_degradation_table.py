"""The tests that docs/degradation.md names in its table of outages exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def rows() -> list[list[str]]:
    """Return the cells of the table that begins with `| away |`, without its header."""
    text = (ROOT / "docs/degradation.md").read_text()
    table = text[text.index("| away |") :].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_every_row_names_existing_tests_of_the_real_stack() -> None:
    there = {name for path in (ROOT / "tests/system").glob("test_*.py") for name in named_in(path)}
    for away, _, _, shown_by in rows():
        named = set(re.findall(r"`(test_\w+)`", shown_by))
        assert named, f"{away}: no test is named"
        assert named <= there, f"{away}: {named - there} not found"


def named_in(path: Path) -> list[str]:
    return re.findall(r"^(?:async )?def (test_\w+)\(", path.read_text(), re.MULTILINE)
