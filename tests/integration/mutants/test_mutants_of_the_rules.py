"""The state machines of orders, stock and shipments find each safeguard that is taken out of the rules."""

import pytest
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, run_state_machine_as_test

from tests.integration.mutants.mutant import Mutant, complains
from tests.integration.mutants.rules import MUTANTS


def explore(machine: type[RuleBasedStateMachine]) -> None:
    """The machine as its own test runs it, but the same way each time; nobody needs the shortest way to a mutant."""
    run_state_machine_as_test(
        machine,
        settings=settings(
            machine.TestCase.settings,
            max_examples=200,
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


@pytest.mark.parametrize("machine", dict.fromkeys(machine for _, machine, _ in MUTANTS))
def test_without_a_mutant_the_same_machine_finds_nothing(machine: type[RuleBasedStateMachine]) -> None:
    explore(machine)
