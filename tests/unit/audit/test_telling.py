"""What the command line says of a verdict: the first of what was found, and how much more there is."""

import pytest

from infra.cli.audit import MOST_SHOWN, tell_judgement
from infra.lab.chaos.run import Judgement


@pytest.mark.parametrize("more", [0, 3])
def test_what_is_not_shown_is_counted(more: int, capsys: pytest.CaptureFixture[str]) -> None:
    number = MOST_SHOWN + more
    violations = [{"invariant": "shipped-once", "evidence": {"order_id": str(each)}} for each in range(number)]
    tell_judgement(Judgement("fail", violations, [f"reason {each}" for each in range(number)]))
    said = capsys.readouterr().err.splitlines()
    rest = [f"... and {more} more {what}; --json FILE has them all" for what in ("violations", "reasons") if more]
    assert [line for line in said if line.startswith("...")] == rest
    assert len(said) == 2 * MOST_SHOWN + len(rest)
    assert said[0] == 'shipped-once: {"order_id": "0"}'
    assert "unknown: reason 0" in said
