"""`python -m tests.benchmarks [NAME…] [--json FILE] [--chart FILE] [--quick] [--rounds N]`, or `--from JSON…`."""

import argparse
import asyncio
import importlib.util
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tests.benchmarks.chart import MEANINGS, chart
from tests.benchmarks.figures import Figure
from tests.benchmarks.report import table

PEERS = ("faststream", "celery", "psycopg")
INSTALL = f"{sys.executable} -m pip install --require-hashes -r requirements-bench.txt"


def main() -> int:
    parser = argparse.ArgumentParser(prog="./marketplace bench", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="which benchmarks; all without a name")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw them here, as SVG")
    parser.add_argument("--quick", action="store_true", help="one round of little: to try the benchmark itself")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds per figure (5)")
    parser.add_argument(
        "--from",
        dest="files",
        nargs="+",
        type=Path,
        default=[],
        metavar="JSON",
        help="measure nothing: show what these earlier runs wrote with --json, the last of each benchmark",
    )
    given = parser.parse_args()
    try:
        if given.files:
            figures = _read(given.files, given.names)
        else:
            figures = _measured(given.names, quick=given.quick, rounds=given.rounds)
    except ValueError as why:
        print(why, file=sys.stderr)
        return 2
    table(figures)
    if given.json:
        given.json.write_text(json.dumps({name: each.to_json() for name, each in figures.items()}, indent=2) + "\n")
    if given.chart:
        given.chart.write_text(chart(figures))
    return 0


def _measured(names: Sequence[str], *, quick: bool, rounds: int | None) -> dict[str, Figure]:
    """Raises ValueError, with what to do, where that can't be measured."""
    missing = [name for name in PEERS if importlib.util.find_spec(name) is None]
    if missing:
        raise ValueError(f"The peers to compare with are not installed: {', '.join(missing)}.\nInstall them: {INSTALL}")
    from tests.benchmarks.run import BENCHMARKS, run
    from tests.benchmarks.size import FULL, QUICK

    if unknown := [name for name in names if name not in BENCHMARKS]:
        raise ValueError(f"No benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}.")
    size = QUICK if quick else FULL
    return asyncio.run(run(names or list(BENCHMARKS), replace(size, rounds=rounds) if rounds else size))


def _read(files: Sequence[Path], names: Sequence[str]) -> dict[str, Figure]:
    """The figures of earlier runs, those called `names` or all. Raises ValueError for a file that holds none."""
    figures: dict[str, Figure] = {}
    for file in files:
        try:
            said = json.loads(file.read_text())
            if unknown := said.keys() - MEANINGS.keys():
                raise KeyError(*unknown)
            figures |= {name: Figure.from_json(each) for name, each in said.items()}
        except (OSError, AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{file} holds no figures of `bench --json`: {error!r}") from None
    if missing := [name for name in names if name not in figures]:
        raise ValueError(f"None of the files has {', '.join(missing)}; they have {', '.join(figures)}.")
    return {name: figures[name] for name in names or figures}


if __name__ == "__main__":
    sys.exit(main())
