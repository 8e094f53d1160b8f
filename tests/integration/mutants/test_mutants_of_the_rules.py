"""The state machines of orders, stock and shipments find each safeguard that is taken out of the rules.

Without a mutant the same machines run as tests of their services.
"""

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.integration.mutants.mutant import Mutant, complains
from tests.integration.mutants.rules import MUTANTS

MOST_EXAMPLES = 400


def explore(machine: type[RuleBasedStateMachine]) -> None:
    """Try the same examples each time, until the first complaint; a mutant needs no smallest example."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            machine.TestCase.settings,
            max_examples=MOST_EXAMPLES,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            report_multiple_bugs=False,
        ),
    )


@pytest.mark.parametrize(("mutant", "machine", "complaint"), MUTANTS, ids=[mutant.__name__ for mutant, *_ in MUTANTS])
def test_the_state_machine_finds_the_mutant(
    monkeypatch: pytest.MonkeyPatch, mutant: Mutant, machine: type[RuleBasedStateMachine], complaint: str
) -> None:
    mutant(monkeypatch.setattr)
    with complains(complaint):
        explore(machine)
