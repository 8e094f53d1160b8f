"""Dead letters are readable in a narrow terminal, too."""

import io

import pytest
from rich.console import Console

from infra.cli import dead_letter_tables
from infra.cli.dead_letter_targets import parse_targets

AT = "2026-01-01T12:00:00+00:00"
ROW = {
    "service": "notifications",
    "group": "a1b2c3d4",
    "subscription": "endpoints",
    "letters": 12,
    "oldest": AT,
    "newest": AT,
    "reason": "attempts-exhausted",
    "error": "OutcomeUnknown: carrier a answered 500 to a booking, and there is more to say about that",
}
HEADINGS = ("group", "subscription", "letters", "oldest", "newest", "reason", "error")


@pytest.mark.parametrize("width", [80, 200])
def test_no_word_is_broken(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    console = Console(width=width, file=io.StringIO())
    monkeypatch.setattr(dead_letter_tables, "console", console)
    dead_letter_tables.show_table(HEADINGS, [ROW])
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    for words in ("notifications/a1b2c3d4", "endpoints", "attempts-exhausted", "OutcomeUnknown", "booking"):
        assert words in shown
    assert ("notifications/a1b2c3d4: attempts-exhausted: OutcomeUnknown" in shown) is (width == 80)


@pytest.mark.parametrize(
    ("target", "selection"),
    [
        ("cart/17", {"ids": [17]}),
        ("cart/123456789012345678x", {"group": "123456789012345678x"}),
        ("cart/1234567890123456789", {"group": "1234567890123456789"}),
    ],
)
def test_a_target_is_an_id_if_it_has_at_most_18_digits_and_else_a_group(
    target: str, selection: dict[str, object]
) -> None:
    assert parse_targets([target], everything=False, service=None) == [("cart", selection)]
