"""`docs/audit.md` has all invariants and mutants, and each mutant is in the list of a test."""

import inspect
from types import ModuleType

import pytest

from tests.audit_page import PAGE, renewed
from tests.integration.mutants import content, rules, runtime, services
from tests.integration.mutants.mutant import Mutant


def mutants_of(module: ModuleType) -> set[Mutant]:
    return {
        mutant
        for _, mutant in inspect.getmembers(module, inspect.isfunction)
        if mutant.__module__ == module.__name__ and list(inspect.signature(mutant).parameters) == ["patch"]
    }


def test_the_tables_of_the_audit_page_are_up_to_date() -> None:
    assert PAGE.read_text() == renewed(PAGE.read_text()), "run: .venv/bin/python -m tests.audit_page --write"


@pytest.mark.parametrize("module", [runtime, rules, services, content])
def test_every_mutant_is_run_by_a_test(module: ModuleType) -> None:
    assert {mutant for mutant, *_ in module.MUTANTS} == mutants_of(module)
