"""Compares this tree with a revision: `bench NAME --against REV` runs them alternately and estimates their ratio."""

import json
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

from infra.cli.stack import ensure_servers
from infra.cli.termination import treat_termination_as_interrupt
from infra.stack import CHECKOUT, LocalError
from tests.benchmarks.comparable import COMPARABLE, ComparableBenchmark
from tests.benchmarks.figures import Spread, in_few_digits, note
from tests.benchmarks.pairs import FEWEST_PAIRS, Estimate, ratio
from tests.benchmarks.trees import Rounds, commit_of, rounds_in, worktree

PAIRS = 15
HERE = "here: working tree, uncommitted changes included"


@dataclass(frozen=True)
class Comparison:
    """The rounds of two trees in the order in which they ran. Values at the same index are a pair."""

    name: str
    revision: str
    commit: str
    here: list[float]
    there: list[float]
    machine: str

    @property
    def benchmark(self) -> ComparableBenchmark:
        return COMPARABLE[self.name]

    @property
    def ratio(self) -> Estimate:
        """The ratio cost here / cost there."""
        return ratio(*self.benchmark.ratio_terms(self.here, self.there))

    def to_json(self) -> dict[str, Any]:
        return {
            "bench": self.name,
            "rev": self.commit,
            "pairs": len(self.here),
            "unit": self.benchmark.unit,
            "here": self.here,
            "there": self.there,
            "ratio": self.ratio.value,
            "ratio_ci95": [self.ratio.low, self.ratio.high],
            "machine": self.machine,
        }


def compare(names: Sequence[str], revision: str, *, pairs: int, quick: bool, file: Path | None) -> None:
    """Compare and print; write JSON to `file`. Raises ValueError for wrong arguments, before it changes anything."""
    name = _only(names)
    if pairs < FEWEST_PAIRS:
        raise ValueError(
            f"{pairs} pairs are too few for a 95 % interval.\nGive --pairs at least {FEWEST_PAIRS}, or leave it out."
        )
    commit = commit_of(revision)
    if file:
        _require_writable(file)
    treat_termination_as_interrupt()
    ensure_servers()
    arguments = [name, "--quick"] if quick else [name]
    note(f"here: {CHECKOUT} as it is, uncommitted changes included. Don't edit files in it until this ends.")
    note(f"there: {revision} ({commit[:12]}), checked out in a temporary directory")
    with ExitStack() as stack:
        tree = stack.enter_context(worktree(commit))
        here, there = (stack.enter_context(rounds_in(each, *arguments)) for each in (CHECKOUT, tree))
        machine, mine, theirs = _take_turns(here, there, pairs)
    compared = Comparison(name, revision, commit, mine, theirs, machine)
    show(compared)
    if file:
        file.write_text(json.dumps(compared.to_json(), indent=2) + "\n")


def _take_turns(here: Rounds, there: Rounds, pairs: int) -> tuple[str, list[float], list[float]]:
    """Return the machine and the values of the two trees.

    The order within a pair alternates, so that a machine that becomes slower favours neither tree.
    """
    note("starting servers for each tree, then one warm-up round of each, which does not count")
    first, other = here.next(), there.next()
    if (first.unit, first.machine) != (other.unit, other.machine):
        raise LocalError(
            f"The trees measure differently: {first.unit} on {first.machine}, {other.unit} on {other.machine}.",
            "Compare with a later revision, whose benchmark is the same.",
        )
    mine: list[float] = []
    theirs: list[float] = []
    for pair in range(pairs):
        for tree, values in ((here, mine), (there, theirs))[:: -1 if pair % 2 else 1]:
            values.append(tree.next().value)
        seen = f"here {in_few_digits(mine[-1])}, there {in_few_digits(theirs[-1])} {first.unit}"
        note(f"pair {pair + 1} of {pairs}: {seen}")
    return first.machine, mine, theirs


def show(compared: Comparison) -> None:
    """Print the medians, the ratio and its meaning."""
    table = Table(box=None, pad_edge=False)
    table.add_column(f"{len(compared.here)} pairs, {compared.benchmark.unit}")
    for heading in ("median", "min", "max"):
        table.add_column(heading, justify="right")
    there = f"there: {compared.revision} ({compared.commit[:12]})"
    for label, values in ((HERE, compared.here), (there, compared.there)):
        spread = Spread(tuple(values))
        table.add_row(Text(label), *map(in_few_digits, (spread.median, min(values), max(values))))
    console = Console(highlight=False)
    console.print(f"{compared.name} on {compared.machine}", table, sep="\n")
    found, cost = compared.ratio, compared.benchmark.cost
    console.print(
        f"Ratio {found.value:.3f}, 95 % interval {found.low:.3f} to {found.high:.3f}"
        f" ({cost} here / there; above 1, this tree is {compared.benchmark.worse}).",
        sentence(found, cost, compared.revision),
        sep="\n",
        markup=False,
        soft_wrap=True,
    )


def sentence(found: Estimate, cost: str, revision: str) -> str:
    """Return in words what the interval shows."""
    if found.low <= 1 <= found.high:
        bounds = f"from {_change(found.low)} to {_change(found.high)} {cost}"
        return f"No difference is shown: compared with {revision}, this tree needs {bounds} (95 % interval)."
    bounds = f"{_change(found.low)} to {_change(found.high)}"
    return f"This tree needs {_change(found.value)} {cost} than {revision} (95 % interval: {bounds})."


def _change(ratio: float) -> str:
    return f"{abs(ratio - 1):.1%} {'less' if ratio < 1 else 'more'}".replace("%", " %")


def _only(names: Sequence[str]) -> str:
    known = f"The benchmarks are {', '.join(COMPARABLE)}."
    if len(names) != 1:
        given = f"not {len(names)}: {', '.join(names)}" if names else "and none is given"
        raise ValueError(f"--against compares one benchmark, {given}.\n{known}")
    if names[0] not in COMPARABLE:
        raise ValueError(f"There is no benchmark {names[0]}.\n{known}")
    return names[0]


def _require_writable(file: Path) -> None:
    existed = file.exists()
    try:
        file.open("a").close()
    except OSError as why:
        raise ValueError(f"{file} can't be written: {why.strerror}.\nGive --json another file.") from None
    if not existed:
        file.unlink()
