"""Every decision record has its parts, a unique number, and a line in the index."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
RECORDS = sorted((ROOT / "docs/adr").glob("*.md"))
PARTS = ("Status: ", "Date: ", "## Context", "## Decision", "## Consequences")


def test_records_are_numbered_without_gaps() -> None:
    assert [path.name[:4] for path in RECORDS] == [f"{number:04}" for number in range(1, len(RECORDS) + 1)]


@pytest.mark.parametrize("path", RECORDS, ids=[path.stem for path in RECORDS])
def test_a_record_has_its_parts_and_its_line_in_the_index(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = re.match(r"# (\d{4})\. (.+)\n", text)
    assert found is not None
    assert all(part in text for part in PARTS)
    assert f"- [{found[1]}](docs/adr/{path.name}): {found[2]}\n" in (ROOT / "DECISIONS.md").read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)#:]+\.md)", text):
        assert (path.parent / link).exists(), link
