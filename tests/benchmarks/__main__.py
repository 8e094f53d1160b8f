"""Measure the messaging runtime and its peers, compare two revisions of it, or show earlier runs."""

import argparse
import asyncio
import importlib.util
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NoReturn

import uvloop

from infra.cli.output import print_error
from infra.cli.stack import ensure_servers
from infra.stack import CHECKOUT, LocalError
from infra.stack.bootstrap import BootstrapError, bootstrap
from tests.benchmarks.against import PAIRS, compare
from tests.benchmarks.chart import DESCRIPTIONS, chart
from tests.benchmarks.figures import Figure
from tests.benchmarks.gateway import measure_gateway, show
from tests.benchmarks.pairs import FEWEST_PAIRS
from tests.benchmarks.report import table
from tests.benchmarks.run import BENCHMARKS, run
from tests.benchmarks.serving import serve
from tests.benchmarks.size import FULL, QUICK

GATEWAY = "gateway"
PEERS = ("faststream", "celery", "psycopg")


def main() -> int:
    """Return the exit code: 0 for success, 1 for a failure, 2 for wrong arguments, 130 if interrupted."""
    try:
        return _run(_parser().parse_args())
    except ValueError as why:
        print(why, file=sys.stderr)
        return 2
    except LocalError as error:
        print_error(str(error), error.remedy)
        return 1
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="./marketplace bench", description=__doc__)
    parser.add_argument(
        "names",
        nargs="*",
        metavar="NAME",
        help=f"which of {', '.join(DESCRIPTIONS)}; all of these without a name. Or {GATEWAY}: what the gateway adds"
        " to a request, and whether a flood harms other users (needs no peers)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to this file")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="draw the figures to this file, as SVG")
    parser.add_argument("--quick", action="store_true", help="a short run with one round, to try the benchmark itself")
    parser.add_argument("--rounds", type=int, metavar="N", help="rounds per figure (5)")
    parser.add_argument(
        "--from",
        dest="files",
        nargs="+",
        type=Path,
        default=[],
        metavar="JSON",
        help="measure nothing: show results that earlier runs wrote with --json, the last of each benchmark",
    )
    parser.add_argument(
        "--against",
        metavar="REV",
        help="compare this working tree, uncommitted changes included, with a git revision: each runs its own benchmark"
        " NAME alternately, without the peers. Prints the ratio cost here / cost there with its 95%% confidence"
        " interval; cost is time per event, latency, processor time or memory, so above 1 this tree is worse",
    )
    parser.add_argument(
        "--pairs", type=int, metavar="N", help=f"pairs of rounds, with --against or {GATEWAY} ({PAIRS})"
    )
    parser.add_argument("--serve", action="store_true", help=argparse.SUPPRESS)  # for --against only: see serving.py
    return parser


def _run(given: argparse.Namespace) -> int:
    if given.names == [GATEWAY]:
        return _run_gateway(given)
    if given.against is not None:
        if given.chart or given.files or given.rounds:
            raise ValueError("--against can't be used with --chart, --from or --rounds.\nLeave them out; see --pairs.")
        pairs = PAIRS if given.pairs is None else given.pairs
        compare(given.names, given.against, pairs=pairs, quick=given.quick, file=given.json)
        return 0
    if given.pairs is not None:
        raise ValueError("--pairs is for comparing with a revision.\nAdd --against REV, or use --rounds.")
    if given.serve:
        asyncio.run(serve(_known(given.names)[0], QUICK if given.quick else FULL))
        return 0
    if given.files:
        figures = _read(given.files, given.names)
    else:
        figures = _measured(given.names, quick=given.quick, rounds=given.rounds)
    table(figures)
    if given.json:
        given.json.write_text(json.dumps({name: each.to_json() for name, each in figures.items()}, indent=2) + "\n")
    if given.chart:
        given.chart.write_text(chart(figures))
    return 0


def _run_gateway(given: argparse.Namespace) -> int:
    """Measure the gateway. Returns 1 if it misses a target. Raises ValueError for options that do not apply."""
    if given.against or given.chart or given.files or given.rounds:
        raise ValueError(f"{GATEWAY} measures pairs of its own.\nGive it --pairs, --quick or --json only.")
    pairs = FEWEST_PAIRS if given.quick else PAIRS if given.pairs is None else given.pairs
    if pairs < FEWEST_PAIRS:
        raise ValueError(f"{pairs} pairs are too few for a 95 % interval.\nGive --pairs at least {FEWEST_PAIRS}.")
    ensure_servers()
    figures = uvloop.run(measure_gateway(pairs=pairs))
    show(figures)
    if given.json:
        given.json.write_text(json.dumps(figures.to_json(), indent=2) + "\n")
    return 0 if all(figures.targets().values()) else 1


def _measured(names: Sequence[str], *, quick: bool, rounds: int | None) -> dict[str, Figure]:
    """Run benchmarks. Raises ValueError, with what to do, if names or rounds are wrong."""
    known = _known(names)
    if rounds is not None and rounds < 1:
        raise ValueError(f"{rounds} rounds are too few. Give --rounds at least 1.")
    if any(importlib.util.find_spec(name) is None for name in PEERS):
        _restart_in_peers_environment()
    ensure_servers()
    size = QUICK if quick else FULL
    return asyncio.run(run(known or list(BENCHMARKS), replace(size, rounds=rounds) if rounds else size))


def _restart_in_peers_environment() -> NoReturn:
    """Replace this process by the same command in .venv-bench, which alone contains the peers. Creates it if needed."""
    try:
        python = str(bootstrap(CHECKOUT, "bench") / "bin/python")
    except BootstrapError as error:
        why, _, remedy = str(error).partition("\n")
        raise LocalError(why, remedy) from error
    if Path(sys.prefix) == CHECKOUT / ".venv-bench":
        raise LocalError("The peers are not in .venv-bench.", "Remove that directory, then run this again.")
    os.execv(python, [python, "-P", "-m", "tests.benchmarks", *sys.argv[1:]])


def _known(names: Sequence[str]) -> Sequence[str]:
    if unknown := [name for name in names if name not in BENCHMARKS]:
        raise ValueError(f"No benchmark {', '.join(unknown)}. The benchmarks are {', '.join(BENCHMARKS)}.")
    return names


def _read(files: Sequence[Path], names: Sequence[str]) -> dict[str, Figure]:
    """Return the figures of earlier runs, those called `names` or all. Raises ValueError for a file without figures."""
    figures: dict[str, Figure] = {}
    for file in files:
        try:
            saved = json.loads(file.read_text())
            if unknown := saved.keys() - DESCRIPTIONS.keys():
                raise KeyError(*unknown)
            figures |= {name: Figure.from_json(each) for name, each in saved.items()}
        except OSError as error:
            raise ValueError(f"{file} can't be read: {error.strerror}.") from None
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{file} holds no figures of `bench --json`.\nGive a file that it wrote.") from error
    if missing := [name for name in names if name not in figures]:
        raise ValueError(f"None of the files has {', '.join(missing)}; they have {', '.join(figures)}.")
    return {name: figures[name] for name in names or figures}


if __name__ == "__main__":
    sys.exit(main())
