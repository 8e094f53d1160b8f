"""What still works while a part is away is told in two places, and shown by tests that exist."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def rows(document: str) -> list[list[str]]:
    """The cells of the table that begins with `| away |`, without its head."""
    text = (ROOT / document).read_text()
    table = text[text.index("| away |") :].partition("\n\n")[0]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()[2:]]


def test_readme_says_what_architecture_says() -> None:
    assert rows("README.md") == [cells[:3] for cells in rows("ARCHITECTURE.md")]


def test_every_row_is_shown_by_tests_of_the_real_stack() -> None:
    there = {name for path in (ROOT / "tests/system").glob("test_*.py") for name in named_in(path)}
    for away, _, _, shown_by in rows("ARCHITECTURE.md"):
        named = set(re.findall(r"`(test_\w+)`", shown_by))
        assert named, f"{away}: no test is named"
        assert named <= there, f"{away}: {named - there} not found"


def named_in(path: Path) -> list[str]:
    return re.findall(r"^(?:async )?def (test_\w+)\(", path.read_text(), re.MULTILINE)
