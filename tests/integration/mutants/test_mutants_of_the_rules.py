"""The state machine tests of orders, stock and shipments find each safeguard that is removed from the rules.

Without a mutant the same machines run as tests of their services.
"""

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.integration.mutants.mutant import Mutant, expect_failure
from tests.integration.mutants.rules import MUTANTS

MAX_EXAMPLES = 400


def explore(machine: type[RuleBasedStateMachine]) -> None:
    """Run the same examples each time, up to the first failure; shrinking is not needed."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            machine.TestCase.settings,
            max_examples=MAX_EXAMPLES,
            derandomize=True,
            database=None,
            phases=[Phase.generate],
            report_multiple_bugs=False,
        ),
    )


@pytest.mark.parametrize(("mutant", "machine", "error"), MUTANTS, ids=[mutant.__name__ for mutant, *_ in MUTANTS])
def test_the_state_machine_finds_the_mutant(
    monkeypatch: pytest.MonkeyPatch, mutant: Mutant, machine: type[RuleBasedStateMachine], error: str
) -> None:
    mutant(monkeypatch.setattr)
    with expect_failure(error):
        explore(machine)
