"""`python -m contracts check | write | ls`: the gates for events and HTTP APIs on the command line."""

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from contracts.gate import SCHEMAS, Verdict, explain, review, write_golden_schemas
from contracts.http.documents import UnreadableApi, read_documents
from contracts.http.gate import GOLDEN_DOCUMENTS, explain_api, review_apis, write_golden_documents
from contracts.registry import EVENTS


def main(arguments: Sequence[str] | None = None, folder: Path = SCHEMAS) -> int:
    """Run one command. Returns the exit code: 1 if an event or an HTTP API breaks its contract."""
    parser = argparse.ArgumentParser(prog="python -m contracts", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    helps = {
        "check": "compare every event and HTTP API with its golden file; exit 1 if one breaks its contract",
        "write": "write the golden files of new events and HTTP APIs, and of compatible changes",
    }
    for name, text in helps.items():
        command = commands.add_parser(name, help=text)
        command.add_argument("--events-only", action="store_true", help="leave out HTTP APIs, and load no service")
    commands.add_parser("ls", help="list every event: type, key, class, and whether it is internal")
    parsed = parser.parse_args(arguments)
    match parsed.command:
        case "check":
            return check(folder) if parsed.events_only else max(check(folder), check_apis())
        case "write":
            return write(folder) if parsed.events_only else max(write(folder), write_apis())
        case _:
            return ls()


def check(folder: Path = SCHEMAS) -> int:
    """Print how every event differs from its golden schema. Returns 1 if one breaks its contract."""
    reviews = review(EVENTS, folder)
    for each in reviews:
        if each.verdict is not Verdict.AGREES:
            print(explain(each), end="\n\n")
    return _report_counts([each.verdict for each in reviews], "events agree with their golden schemas")


def check_apis(folder: Path = GOLDEN_DOCUMENTS) -> int:
    """Print how every HTTP API differs from its golden document. Returns 1 if one breaks its contract."""
    try:
        reviews = review_apis(read_documents(), folder)
    except UnreadableApi as error:
        print(error, file=sys.stderr)
        return 1
    for each in reviews:
        if each.verdict is not Verdict.AGREES:
            print(explain_api(each), end="\n\n")
    return _report_counts([each.verdict for each in reviews], "HTTP APIs agree with their golden documents")


def _report_counts(verdicts: Sequence[Verdict], agree: str) -> int:
    broken = sum(each.is_refused for each in verdicts)
    unwritten = sum(each in (Verdict.NEW, Verdict.CHANGED) for each in verdicts)
    print(f"{len(verdicts) - broken - unwritten} {agree}, {unwritten} to be written, {broken} refused")
    return 1 if broken else 0


def write(folder: Path = SCHEMAS) -> int:
    """Write the golden schemas of new events and of compatible changes. Returns 1 if an event is refused."""
    reviews = review(EVENTS, folder)
    written = write_golden_schemas(reviews, folder)
    refused = [explain(each) for each in reviews if each.verdict.is_refused]
    return _report_written(written, refused, "golden schemas")


def write_apis(folder: Path = GOLDEN_DOCUMENTS) -> int:
    """Write the golden documents of new services and of compatible changes. Returns 1 if an HTTP API is refused."""
    try:
        reviews = review_apis(read_documents(), folder)
    except UnreadableApi as error:
        print(error, file=sys.stderr)
        return 1
    written = write_golden_documents(reviews, folder)
    refused = [explain_api(each) for each in reviews if each.verdict.is_refused]
    return _report_written(written, refused, "golden documents of HTTP APIs")


def _report_written(written: Sequence[Path], refused: Sequence[str], what: str) -> int:
    for file in written:
        print(f"wrote {file}")
    for explanation in refused:
        print(explanation, end="\n\n")
    print(f"{len(written)} {what} written, {len(refused)} refused")
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
