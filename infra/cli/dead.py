"""Implements the `dead` commands, which list, redrive, edit, discard and export dead letters."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import click
import typer

from infra.cli.asking import Operator
from infra.cli.dead_letter_tables import groups_of, indented, show_table
from infra.cli.dead_letter_targets import GROUP, LETTER, Choice, chosen_of, letter_of, split_target
from infra.cli.files import writable
from infra.cli.show import complain, console, several
from infra.stack import LocalError

commands = typer.Typer()
dead = typer.Typer(help="Look at dead letters, replay, mend or discard them.", no_args_is_help=True)
commands.add_typer(dead, name="dead")

DONE = {"replays": "replayed", "discards": "discarded"}
Service = Annotated[str | None, typer.Option(help="Of this service alone.", metavar="SERVICE")]
Letter = Annotated[str, typer.Argument(help="One letter, as `dead ls SERVICE/GROUP` names it.", metavar=LETTER)]
Targets = Annotated[list[str] | None, typer.Argument(help="Letters or whole groups.", metavar=f"[{LETTER} | {GROUP}]…")]
Everything = Annotated[bool, typer.Option("--all", help="Every letter on file (see --service).")]
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
        name, fingerprint = split_target(group)
        rows = [{"service": name, **each} for each in operator.pages(name, "dead-letters", group=fingerprint)]
        headings = ("letter", "type", "event_id", "attempts", "age", "error")
    else:
        of = [service] if service else list(operator.services)
        rows, away = groups_of(operator, of)
        headings = ("group", "subscription", "letters", "oldest", "newest", "reason", "error")
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    elif rows:
        show_table(headings, rows)
    else:
        console.print("No dead letters.")
    if away:
        raise typer.Exit(1)


@dead.command()
def show(letter: Letter) -> None:
    """One letter with its headers and body, as JSON."""
    service, id = letter_of(letter)
    typer.echo(json.dumps(Operator().ask("GET", service, f"dead-letters/{id}"), indent=2))


@dead.command()
def replay(
    targets: Targets = None,
    everything: Everything = False,
    service: Service = None,
    dry_run: DryRun = False,
) -> None:
    """Hand letters to the one subscription that failed, under their own event ids. Fails if any is refused."""
    _settle("replays", chosen_of(targets, everything, service), {"dry_run": dry_run})


@dead.command()
def discard(
    note: Annotated[str, typer.Option("--reason", help="Kept with the letters, and your name.")],
    targets: Targets = None,
    everything: Everything = False,
    service: Service = None,
    dry_run: DryRun = False,
) -> None:
    """Take letters off the file for good. They are kept in the service's `settled_letters`."""
    _settle("discards", chosen_of(targets, everything, service), {"dry_run": dry_run, "note": note})


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
    service, id = letter_of(letter)
    operator = Operator()
    if body is None:
        old = operator.ask("GET", service, f"dead-letters/{id}")["body"] or ""
        text = click.edit(indented(old), extension=".json")
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
    """Redrive or discard (`path`) the chosen dead letters, chunk by chunk, and print the outcome.

    Without a choice, all dead letters of all services are chosen. Exits with 1 if one was refused or does not exist.
    """
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
