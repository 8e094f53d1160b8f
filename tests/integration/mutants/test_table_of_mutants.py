"""`ARCHITECTURE.md` has every mutant, in its own words."""

import inspect
from pathlib import Path

from tests.integration.mutants import rules, runtime, services

DOCUMENT = Path(__file__).parents[3] / "ARCHITECTURE.md"


def test_the_table_has_every_mutant_with_what_it_does() -> None:
    mutants = [
        mutant
        for module in (runtime, rules, services)
        for _, mutant in inspect.getmembers(module, inspect.isfunction)
        if mutant.__module__ == module.__name__ and list(inspect.signature(mutant).parameters) == ["patch"]
    ]
    text = DOCUMENT.read_text()
    assert [each.__name__ for each in mutants if f"| `{each.__name__}` | {each.__doc__} |" not in text] == []
    assert len(mutants) >= 10
