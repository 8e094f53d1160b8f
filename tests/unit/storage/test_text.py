"""What PostgreSQL takes as text."""

import pytest

from marketplace_runtime.events import storable


@pytest.mark.parametrize(
    ("text", "kept"),
    [("plain, with an é and a 🛒", "plain, with an é and a 🛒"), ("a\0b", "a\ufffdb"), ("a\ud83db", "a\ufffdb")],
    ids=["text", "NUL", "half a surrogate pair"],
)
def test_what_is_no_text_to_the_database_is_marked_and_all_else_kept(text: str, kept: str) -> None:
    assert storable(text) == kept
