"""The page that tells how to change an event shows code that is there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
BLOCKS = re.findall(
    r"^```python (\S+)\n(.*?)^```", (ROOT / "docs" / "change-an-event.md").read_text(), re.MULTILINE | re.DOTALL
)


@pytest.mark.parametrize(("path", "block"), BLOCKS, ids=[path for path, _ in BLOCKS])
def test_what_the_page_shows_is_in_the_code_in_this_order(path: str, block: str) -> None:
    code = iter([line.strip() for line in (ROOT / path).read_text().splitlines()])
    for line in block.splitlines():
        assert any(line.strip() in each for each in code), line
    assert len(BLOCKS) == 5
