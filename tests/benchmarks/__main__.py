"""`python -m tests.benchmarks [NAME…] [--json FILE] [--chart FILE] [--quick] [--rounds N]`."""

import argparse
import asyncio
import importlib.util
import json
import sys
from dataclasses import replace
from pathlib import Path

PEERS = ("faststream", "celery", "psycopg")
INSTALL = f"{sys.executable} -m pip install --require-hashes -r requirements-bench.txt"


def main() -> int:
    missing = [name for name in PEERS if importlib.util.find_spec(name) is None]
    if missing:
        print(f"The peers to compare with are not installed: {', '.join(missing)}.\nInstall them: {INSTALL}")
        return 2
    from tests.benchmarks.report import chart, table
    from tests.benchmarks.run import BENCHMARKS, run
    from tests.benchmarks.size import FULL, QUICK

    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(BENCHMARKS)}; all without a name")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures here")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw them here, as SVG")
    parser.add_argument("--quick", action="store_true", help="one round of little: to try the benchmark itself")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds per figure (5)")
    given = parser.parse_args()
    unknown = [name for name in given.names if name not in BENCHMARKS]
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(BENCHMARKS)}")
    size = QUICK if given.quick else FULL
    if given.rounds:
        size = replace(size, rounds=given.rounds)
    figures = asyncio.run(run(given.names or list(BENCHMARKS), size))
    table(figures)
    if given.json:
        given.json.write_text(json.dumps({name: each.to_json() for name, each in figures.items()}, indent=2) + "\n")
    if given.chart:
        given.chart.write_text(chart(figures))
    return 0


if __name__ == "__main__":
    sys.exit(main())
