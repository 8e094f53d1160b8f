"""The command reference equals the commands' own help texts."""

from infra.cli.reference import PAGE, reference


def test_the_page_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == reference(), "run: .venv/bin/python -m infra.cli.reference --write"
