"""Text that PostgreSQL refuses is made storable."""

import pytest

from marketplace_runtime.events import make_storable


@pytest.mark.parametrize(
    ("text", "kept"),
    [("plain, with an é and a 🛒", "plain, with an é and a 🛒"), ("a\0b", "a\ufffdb"), ("a\ud83db", "a\ufffdb")],
    ids=["text", "NUL", "half a surrogate pair"],
)
def test_characters_that_postgresql_refuses_are_replaced(text: str, kept: str) -> None:
    assert make_storable(text) == kept
