"""Commands for dead letters: what died, and what is to become of it."""

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import click
import typer
from rich.table import Table
from rich.text import Text

from infra.cli.asking import Operator
from infra.cli.files import writable
from infra.cli.show import complain, console, duration, several
from infra.stack import LocalError

commands = typer.Typer()
dead = typer.Typer(help="Look at dead letters, replay, mend or discard them.", no_args_is_help=True)
commands.add_typer(dead, name="dead")

Choice = tuple[str, dict[str, Any]]
DONE = {"replays": "replayed", "discards": "discarded"}
AGES = {"age": "filed_at", "oldest": "oldest", "newest": "newest"}
LETTER, GROUP = "SERVICE/ID", "SERVICE/GROUP"
LONGEST_ID = 18
"""Digits."""
Service = Annotated[str | None, typer.Option(help="Of this service alone.", metavar="SERVICE")]
Letter = Annotated[str, typer.Argument(help="One letter, as `dead ls SERVICE/GROUP` names it.", metavar=LETTER)]
Targets = Annotated[list[str] | None, typer.Argument(help="Letters or whole groups.", metavar=f"[{LETTER} | {GROUP}]…")]
Everything = Annotated[bool, typer.Option("--all", help="Every letter on file (see --service).")]
LONG, WIDE = ("event_id", "reason", "error"), 130
"""What is printed below the table where the terminal has fewer columns."""
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and change nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="For programs.")]


@dead.command("ls")
def list_letters(
    group: Annotated[str | None, typer.Argument(help="Its letters, one by one.", metavar=f"[{GROUP}]")] = None,
    service: Service = None,
    as_json: AsJson = False,
) -> None:
    """What died, in groups of one subscription and one kind of error; or the letters of one group."""
    operator, away = Operator(), False
    headings: tuple[str, ...]
    if group:
        name, fingerprint = _split(group)
        rows = [{"service": name, **each} for each in operator.pages(name, "dead-letters", group=fingerprint)]
        headings = ("letter", "type", "event_id", "attempts", "age", "error")
    else:
        of = [service] if service else list(operator.services)
        rows, away = _groups(operator, of)
        headings = ("group", "subscription", "letters", "oldest", "newest", "reason", "error")
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    elif rows:
        _show(headings, rows)
    else:
        console.print("No dead letters.")
    if away:
        raise typer.Exit(1)


@dead.command()
def show(letter: Letter) -> None:
    """One letter with its headers and body, as JSON."""
    service, id = _letter(letter)
    typer.echo(json.dumps(Operator().ask("GET", service, f"dead-letters/{id}"), indent=2))


@dead.command()
def replay(
    targets: Targets = None,
    everything: Everything = False,
    service: Service = None,
    dry_run: DryRun = False,
) -> None:
    """Hand letters to the one subscription that failed, under their own event ids. Fails if any is refused."""
    _settle("replays", _chosen(targets, everything, service), {"dry_run": dry_run})


@dead.command()
def discard(
    note: Annotated[str, typer.Option("--reason", help="Kept with the letters, and your name.")],
    targets: Targets = None,
    everything: Everything = False,
    service: Service = None,
    dry_run: DryRun = False,
) -> None:
    """Take letters off the file for good. They are kept in the service's `settled_letters`."""
    _settle("discards", _chosen(targets, everything, service), {"dry_run": dry_run, "note": note})


@dead.command()
def edit(
    letter: Letter,
    body: Annotated[
        Path | None,
        typer.Option(
            help="The new body; without it your $EDITOR opens.",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            readable=True,
        ),
    ] = None,
    type: Annotated[str | None, typer.Option(help="What event it is, if the letter does not say.")] = None,
    note: Annotated[str, typer.Option("--reason", help="Kept with the old body, and your name.")] = "edited",
) -> None:
    """Replay a letter with another body, which has to fit the schema of its type."""
    service, id = _letter(letter)
    operator = Operator()
    if body is None:
        old = operator.ask("GET", service, f"dead-letters/{id}")["body"] or ""
        text = click.edit(_indented(old), extension=".json")
        if text is None:
            raise LocalError("Nothing was changed, so nothing was replayed.", f"As it is: dead replay {letter}")
    else:
        text = body.read_text()
    try:
        mended = {"body": json.loads(text), "note": note} | ({"type": type} if type else {})
    except ValueError as error:
        raise LocalError(f"The body is no JSON: {error}", "Nothing was changed. Edit it again.") from None
    answer = operator.ask("POST", service, f"dead-letters/{id}/edit", mended)
    console.print(f"Replayed as event {answer['event_id']}.")


@dead.command()
def retry(
    service: Annotated[str, typer.Argument(help="Which service's events.", metavar="SERVICE")],
    seqs: Annotated[list[int] | None, typer.Argument(metavar="SEQ…", help="Their numbers; without any, all.")] = None,
) -> None:
    """Publish events once more that were set aside since they could not be published. See GET /ops/set-aside."""
    answer = Operator().ask("POST", service, "set-aside/retry", {"seqs": seqs or None})
    if not answer["retried"]:
        raise LocalError(f"{service} has set no such events aside." if seqs else f"{service} has set no events aside.")
    console.print(f"{several(answer['retried'], 'event')} will be published again.")


@dead.command()
def export(
    service: Service = None,
    output: Annotated[
        Path | None, typer.Option(help="A file; without it, standard output.", metavar="FILE", callback=writable)
    ] = None,
) -> None:
    """Every letter with its body, one JSON object per line."""
    operator = Operator()
    with output.open("w") if output else sys.stdout as lines:
        for name in [service] if service else operator.services:
            for letter in operator.pages(name, "dead-letters", bodies="true"):
                lines.write(json.dumps({"service": name, **letter}) + "\n")


def _settle(path: str, chosen: list[Choice], options: dict[str, Any]) -> None:
    """Carry a change out for all that was chosen, chunk by chunk; fail if something of it stays on file."""
    operator = Operator()
    total = failed = 0
    for name, choice in chosen or [(name, {"all": True}) for name in operator.services]:
        for outcome in operator.chunks(name, path, choice | options):
            total += outcome["settled"]
            failed += len(outcome["refused"]) + len(outcome["missing"])
            for refused in outcome["refused"]:
                complain(f"{name}/{refused['id']} stays: {refused['why']}")
            for missing in outcome["missing"]:
                complain(f"{name}/{missing} is not on file.")
    console.print(f"{several(total, 'letter')}{' would be' if options['dry_run'] else ''} {DONE[path]}.")
    if failed:
        raise typer.Exit(1)


def _chosen(targets: list[str] | None, everything: bool, service: str | None) -> list[Choice]:
    """What a person named; nothing for everything of all services."""
    if everything and targets:
        raise typer.BadParameter("name letters or groups, or give --all: not both")
    if service and targets:
        raise typer.BadParameter("--service goes with --all: letters and groups name theirs")
    if not (everything or targets):
        raise typer.BadParameter("name letters or groups, or give --all, perhaps with --service")
    if everything:
        return [(service, {"all": True})] if service else []
    names = map(_split, targets or ())
    return [(of, {"ids": [int(name)]} if name[:LONGEST_ID].isdecimal() else {"group": name}) for of, name in names]


def _split(target: str) -> tuple[str, str]:
    service, _, name = target.partition("/")
    if not (service and name):
        raise typer.BadParameter(
            f"{target!r}: write it as {GROUP}, as `dead ls` shows it, or {LETTER}, as `dead ls {GROUP}` does"
        )
    return service, name


def _letter(target: str) -> tuple[str, str]:
    service, id = _split(target)
    if not id.isdecimal() or len(id) > LONGEST_ID:
        raise typer.BadParameter(f"{target!r} is no letter: write it as {LETTER}, as `dead ls {GROUP}` shows it")
    return service, id


def _groups(operator: Operator, services: list[str]) -> tuple[list[dict[str, Any]], bool]:
    """The groups of these services, the largest first, and whether one of them is away; that is told, too."""
    rows: list[dict[str, Any]] = []
    away = False
    for name in services:
        try:
            rows += [{"service": name, **each} for each in operator.pages(name, "dead-letter-groups")]
            number = operator.ask("GET", name, "backlog")["set_aside"]
        except LocalError as error:
            if len(services) == 1:
                raise
            complain(str(error), error.remedy)
            away = True
            continue
        if number:
            complain(
                f"{name} set {several(number, 'event')} aside that could not be published.",
                f"See GET /ops/set-aside of {name}; try again: ./marketplace dead retry {name}",
            )
    return sorted(rows, key=lambda row: -row["letters"]), away


def _show(headings: tuple[str, ...], rows: list[dict[str, Any]]) -> None:
    """Print a table; what is long comes below it where the terminal is narrow, so that no word is broken."""
    below = [name for name in LONG if name in headings and console.width < WIDE]
    columns = [name for name in headings if name not in below]
    table = Table(box=None, pad_edge=False)
    for heading in columns:
        table.add_column(heading, overflow="fold", no_wrap=heading != "error")
    words = []
    for row in rows:
        shown = row | {
            "letter": f"{row['service']}/{row.get('id')}",
            "group": f"{row['service']}/{row['group']}",
            "error": row["error"].partition("\n")[0],
        }
        shown |= {name: _age(row[at]) for name, at in AGES.items() if at in row}
        table.add_row(*(_plain(shown[heading] or "") for heading in columns))
        words.append(_plain(f"{shown[headings[0]]}: " + ": ".join(str(shown[name]) for name in below)))
    console.print(table)
    if below:
        console.print("", *words, sep="\n", soft_wrap=True)


def _plain(value: object) -> Text:
    """What others wrote, without what a terminal would obey."""
    return Text("".join(each if each.isprintable() else "�" for each in str(value)))


def _age(at: str) -> str:
    return duration((datetime.now(UTC) - datetime.fromisoformat(at)).total_seconds())


def _indented(body: str) -> str:
    try:
        return json.dumps(json.loads(body), indent=2)
    except ValueError:
        return body
