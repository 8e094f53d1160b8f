"""The command line shows the first findings of a verdict, and counts the rest."""

import pytest

from infra.cli.audit import MAX_SHOWN, print_judgement
from infra.lab.chaos.run import Judgement


@pytest.mark.parametrize("more", [0, 3])
def test_findings_that_are_not_shown_are_counted(more: int, capsys: pytest.CaptureFixture[str]) -> None:
    number = MAX_SHOWN + more
    violations = [{"invariant": "shipped-once", "evidence": {"order_id": str(each)}} for each in range(number)]
    print_judgement(Judgement("fail", violations, [f"reason {each}" for each in range(number)]))
    printed = capsys.readouterr().err.splitlines()
    rest = [f"... and {more} more {what}; --json FILE has them all" for what in ("violations", "reasons") if more]
    assert [line for line in printed if line.startswith("...")] == rest
    assert len(printed) == 2 * MAX_SHOWN + len(rest)
    assert printed[0] == 'shipped-once: {"order_id": "0"}'
    assert "unknown: reason 0" in printed
