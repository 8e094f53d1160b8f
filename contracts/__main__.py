"""`python -m contracts check | write | ls`: the contract gate on the command line."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from contracts.gate import SCHEMAS, Verdict, explain, review, write_golden_schemas
from contracts.registry import EVENTS


def main(arguments: Sequence[str] | None = None, folder: Path = SCHEMAS) -> int:
    """Run one command. Returns the exit code: 1 if an event breaks its contract."""
    parser = argparse.ArgumentParser(prog="python -m contracts", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("check", help="compare every event with its golden schema; exit 1 if one breaks its contract")
    commands.add_parser("write", help="write the golden schemas of new events and of compatible changes")
    commands.add_parser("ls", help="list every event: type, key, class, and whether it is internal")
    match parser.parse_args(arguments).command:
        case "check":
            return check(folder)
        case "write":
            return write(folder)
        case _:
            return ls()


def check(folder: Path) -> int:
    reviews = review(EVENTS, folder)
    for each in reviews:
        if each.verdict is not Verdict.AGREES:
            print(explain(each), end="\n\n")
    broken = sum(each.verdict.is_refused for each in reviews)
    unwritten = sum(each.verdict in (Verdict.NEW, Verdict.CHANGED) for each in reviews)
    agree = len(reviews) - broken - unwritten
    print(f"{agree} events agree with their golden schemas, {unwritten} to be written, {broken} refused")
    return 1 if broken else 0


def write(folder: Path) -> int:
    reviews = review(EVENTS, folder)
    written = write_golden_schemas(reviews, folder)
    for file in written:
        print(f"wrote {file}")
    refused = [each for each in reviews if each.verdict.is_refused]
    for each in refused:
        print(explain(each), end="\n\n")
    print(f"{len(written)} golden schemas written, {len(refused)} refused")
    return 1 if refused else 0


def ls() -> int:
    rows = [("TYPE", "KEY", "CLASS", "INTERNAL")]
    rows += [
        (e.type, e.key, e.__name__, "internal" if e.internal else "") for e in sorted(EVENTS, key=lambda e: e.type)
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())
    return 0


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # `| head` ends it without a traceback
    sys.exit(main())
