"""Implements the `audit` command, and the audit at the end of `demo` and `chaos`."""

import asyncio
import json
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from infra.cli.files import writable
from infra.cli.output import console, pluralized, print_error
from infra.cli.stack import running_stack
from infra.cli.times import parse_time
from infra.stack import Layout, LocalError

if TYPE_CHECKING:  # imports clients of everything, which would delay the other commands
    from infra.lab.audit import Fault, MinimumActivity, Sources, Verdict
    from infra.lab.chaos.run import Judgement

commands = typer.Typer()
EXIT_CODES = {"pass": 0, "fail": 1, "unknown": 3}
STYLES = {"pass": "bold green", "fail": "bold red", "unknown": "bold yellow"}
PLURAL_COUNTS = ("orders", "events", "mails", "faults", "log gaps")
"""Names of counts that are printed in the singular if the count is 1."""
MAX_SHOWN = 20


@commands.command("audit")
def run_audit(
    json_file: Annotated[
        Path | None,
        typer.Option("--json", help="Also write the verdict to this file, as JSON.", metavar="FILE", callback=writable),
    ] = None,
    settle: Annotated[float, typer.Option(help="Maximum seconds to wait for open work to finish.", min=0)] = 60,
    since: Annotated[
        datetime | None,
        typer.Option(
            parser=parse_time,
            metavar="T",
            help="Count faults and traffic as evidence only from this time on (2h ago, or a time). "
            "Violations are reported whenever they happened.",
        ),
    ] = None,
    orders: Annotated[
        int,
        typer.Option(
            "--least", metavar="N", help="Minimum accepted orders; with fewer, the verdict is unknown.", min=0
        ),
    ] = 1,
    only_list: Annotated[bool, typer.Option("--list", help="List the invariants, and check nothing.")] = False,
) -> None:
    """Check from outside that no order was lost, charged twice, oversold or shipped twice.

    Reads everything since the stack was created. Traffic must have ended. Exit codes: 0 pass; 1 fail; 3 unknown, also
    if the stack is not up.
    """
    from infra.lab.audit import INVARIANTS, MinimumActivity, audit

    if only_list:
        for invariant in INVARIANTS:
            console.print(f"[bold]{invariant.id}[/]: {invariant.promise}", soft_wrap=True, highlight=False)
        return
    try:
        where = running_stack()
        sources = _sources(where)
    except LocalError as error:  # nothing was checked; exit code 1 would mean that an invariant is violated
        print_error(str(error), error.remedy)
        raise typer.Exit(EXIT_CODES["unknown"]) from None
    with console.status("Waiting for open work to finish, then reading all evidence"):
        minimum = MinimumActivity(orders, since=since.timestamp() if since else 0)
        found = asyncio.run(audit(sources, minimum=minimum, faults=faults_in_effect(where), settle_s=settle))
    _print_verdict(found)
    if json_file:
        json_file.write_text(json.dumps(found.as_dict(), indent=2) + "\n")
    raise typer.Exit(EXIT_CODES[found.verdict])


async def audit_stack(
    where: Layout, *, minimum: "MinimumActivity", faults: Sequence["Fault"] = (), settle_s: float = 60
) -> "Judgement":
    """Audit the whole history of a stack, and return the result in the form that reports of runs contain.

    Its verdict is "unknown" if the evidence cannot be read.
    """
    from infra.lab.audit import audit
    from infra.lab.chaos.run import Judgement

    try:
        sources = _sources(where)
    except LocalError as error:
        return Judgement("unknown", reasons=[str(error)])
    found = await audit(sources, minimum=minimum, faults=(*faults, *faults_in_effect(where)), settle_s=settle_s)
    return Judgement(found.verdict, [each.as_dict() for each in found.violations], found.unknown, found.counts)


def faults_in_effect(where: Layout) -> list["Fault"]:
    """Return the faults that are in effect. The record does not contain them, as they are recorded when undone."""
    from infra.lab.audit import Fault
    from infra.lab.chaos import Journal

    return [Fault(each.fault.kind, each.fault.part, each.since) for each in Journal(where.faults).entries()]


def _sources(where: Layout) -> "Sources":
    from infra.lab.audit import Sources, Unreadable

    try:
        return Sources.of_stack(where.state, where.record)
    except Unreadable as error:
        raise LocalError(
            str(error),
            "An older version may have started the stack. Restart it: ./marketplace down, then ./marketplace up -d",
        ) from None


def print_judgement(judgement: "Judgement") -> None:
    """Print the verdict, and the violations and reasons on which it is based."""
    _print_findings([(each["invariant"], each["evidence"]) for each in judgement.violations], judgement.reasons)
    if gaps := judgement.counts.get("log_gaps"):
        lost = pluralized(gaps, "event")
        console.print(f"The log stream lacks {lost} that a killed broker lost. Publish again: ./marketplace republish")
    words = f"Verdict of the audit: {judgement.verdict}, {pluralized(len(judgement.violations), 'violation')}."
    console.print(words, style=STYLES.get(judgement.verdict), highlight=False)


def _print_verdict(found: "Verdict") -> None:
    counted = {name.replace("_", " "): number for name, number in found.counts.items() if number}
    counts = ", ".join(
        pluralized(n, name[:-1]) if name in PLURAL_COUNTS else f"{n:,} {name}" for name, n in counted.items()
    )
    on = f" on {counts}" if counts else "; there is no evidence yet to check"
    console.print(f"{len(found.checked)} invariants checked{on}.", soft_wrap=True, highlight=False)
    _print_findings([(each.invariant, each.evidence) for each in found.violations], found.unknown)
    console.print(found.verdict, style=STYLES[found.verdict])


def _print_findings(violations: Sequence[tuple[str, Any]], reasons: Sequence[str]) -> None:
    """Print the violations, and the reasons why something is unknown: the first `MAX_SHOWN` of each."""
    for what, sentences in (
        ("violations", [f"{invariant}: {json.dumps(evidence, default=str)}" for invariant, evidence in violations]),
        ("reasons", [f"unknown: {reason}" for reason in reasons]),
    ):
        for sentence in sentences[:MAX_SHOWN]:
            print_error(sentence)
        if len(sentences) > MAX_SHOWN:
            print_error(f"... and {len(sentences) - MAX_SHOWN} more {what}; --json FILE has them all")
