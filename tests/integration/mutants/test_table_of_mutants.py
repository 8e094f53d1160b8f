"""`docs/audit.md` names exactly the existing mutants, and a test runs each of them."""

import inspect
import re
from pathlib import Path
from types import ModuleType

import pytest

from tests.integration.mutants import content, rules, runtime, services
from tests.integration.mutants.mutant import Mutant

DOCUMENT = Path(__file__).parents[3] / "docs/audit.md"


def mutants_of(module: ModuleType) -> set[Mutant]:
    return {
        mutant
        for _, mutant in inspect.getmembers(module, inspect.isfunction)
        if mutant.__module__ == module.__name__ and list(inspect.signature(mutant).parameters) == ["patch"]
    }


def test_the_table_names_exactly_the_existing_mutants() -> None:
    there = mutants_of(runtime) | mutants_of(rules) | mutants_of(services) | mutants_of(content)
    text = DOCUMENT.read_text()
    table = text[text.index("| mutant |") :].partition("\n\n")[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == {each.__name__ for each in there}
    assert len(there) >= 10


@pytest.mark.parametrize("module", [runtime, rules, content])
def test_every_mutant_is_run_by_a_test(module: ModuleType) -> None:
    assert {mutant for mutant, *_ in module.MUTANTS} == mutants_of(module)
