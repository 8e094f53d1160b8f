"""Generates the tables of invariants and of mutants in docs/audit.md, from the docstrings and lists in the code.

    python -m tests.audit_page --write

Without `--write` it prints the page.
"""

import inspect
import sys
from collections.abc import Iterator
from pathlib import Path

from infra.lab.audit import INVARIANTS
from tests.integration.mutants import content, rules, runtime, services
from tests.integration.mutants.mutant import Mutant

PAGE = Path(__file__).parents[1] / "docs/audit.md"
INVARIANTS_HEAD = "| invariant | promise |\n|---|---|\n"
MUTANTS_HEAD = "| mutant | what it does | caught by |\n|---|---|---|\n"


def invariants() -> str:
    """Return the rows of all invariants, in the order in which they are checked."""
    return "".join(f"| `{each.id}` | {each.promise} |\n" for each in INVARIANTS)


def mutants() -> str:
    """Return the rows of all mutants."""
    return "".join(
        f"| `{mutant.__name__}` | {' '.join((inspect.getdoc(mutant) or '').split())} | {caught_by} |\n"
        for mutant, caught_by in _caught()
    )


def renewed(page: str) -> str:
    """Return the page with its two tables replaced. Raises ValueError if a table is missing."""
    for head, rows in ((INVARIANTS_HEAD, invariants()), (MUTANTS_HEAD, mutants())):
        before, found, after = page.partition(head)
        if not found:
            raise ValueError(f"docs/audit.md lacks the table that begins with {head.splitlines()[0]}")
        _, blank, rest = after.partition("\n\n")
        page = f"{before}{head}{rows}" + (f"\n{rest}" if blank else "")
    return page


def _caught() -> Iterator[tuple[Mutant, str]]:
    """Yield each mutant and the check that fails."""
    for mutant, when, step, error in runtime.MUTANTS:
        yield mutant, f'crash suite, killed {when} {step}: "{error}"'
    for mutant, _, error in rules.MUTANTS:
        yield mutant, rules.RULES[error]
    yield from services.MUTANTS
    for mutant, invariant, _ in content.MUTANTS:
        yield mutant, f"the audit of a real marketplace, `{invariant}`"


if __name__ == "__main__":
    text = renewed(PAGE.read_text(encoding="utf-8"))
    if "--write" in sys.argv:
        PAGE.write_text(text, encoding="utf-8")
    else:
        print(text, end="")
