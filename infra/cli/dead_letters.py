"""Implements the `dead` commands, which list, redrive, edit, discard and export dead letters."""

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import click
import typer

from infra.cli.dead_letter_tables import fetch_groups, format_json, show_table
from infra.cli.dead_letter_targets import GROUP, LETTER, Selection, parse_letter, parse_targets, split_target
from infra.cli.files import writable
from infra.cli.operations_client import OperationsClient
from infra.cli.output import console, pluralized, print_error
from infra.stack import LocalError

commands = typer.Typer()
dead = typer.Typer(help="List, redrive, edit, discard and export dead letters.", no_args_is_help=True)
commands.add_typer(dead, name="dead")

DONE = {"replays": "redriven", "discards": "discarded"}
"""Maps the path of a request to the word for what it did."""
Service = Annotated[str | None, typer.Option(help="Only the dead letters of this service.", metavar="SERVICE")]
Letter = Annotated[str, typer.Argument(help="A dead letter, as listed by `dead ls SERVICE/GROUP`.", metavar=LETTER)]
Targets = Annotated[
    list[str] | None, typer.Argument(help="Dead letters or whole groups.", metavar=f"[{LETTER} | {GROUP}]…")
]
Everything = Annotated[bool, typer.Option("--all", help="All dead letters, or all of --service.")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Report what would be done, and change nothing.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]


@dead.command("ls")
def list_letters(
    group: Annotated[
        str | None, typer.Argument(help="List the dead letters of this group.", metavar=f"[{GROUP}]")
    ] = None,
    service: Service = None,
    as_json: AsJson = False,
) -> None:
    """List dead letters in groups of one subscription and one kind of error, or the dead letters of one group."""
    client, is_incomplete = OperationsClient(), False
    headings: tuple[str, ...]
    if group:
        name, fingerprint = split_target(group)
        rows = [{"service": name, **each} for each in client.items(name, "dead-letters", group=fingerprint)]
        headings = ("letter", "type", "event_id", "attempts", "age", "error")
    else:
        services = [service] if service else list(client.services)
        rows, is_incomplete = fetch_groups(client, services)
        headings = ("group", "subscription", "letters", "oldest", "newest", "reason", "error")
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
    elif rows:
        show_table(headings, rows)
    else:
        console.print("No dead letters.")
    if is_incomplete:
        raise typer.Exit(1)


@dead.command()
def show(letter: Letter) -> None:
    """Show one dead letter with its headers and body, as JSON."""
    service, id = parse_letter(letter)
    typer.echo(json.dumps(OperationsClient().request("GET", service, f"dead-letters/{id}"), indent=2))


@dead.command()
def replay(
    targets: Targets = None,
    everything: Everything = False,
    service: Service = None,
    dry_run: DryRun = False,
) -> None:
    """Redrive dead letters: their subscription handles them again, under the same ids. Fails if any is refused."""
    _redrive_or_discard("replays", parse_targets(targets, everything, service), {"dry_run": dry_run})


@dead.command()
def discard(
    note: Annotated[str, typer.Option("--reason", help="Stored with the dead letters and your name.")],
    targets: Targets = None,
    everything: Everything = False,
    service: Service = None,
    dry_run: DryRun = False,
) -> None:
    """Discard dead letters, so that they are never handled. They are moved to the service's table `settled_letters`."""
    _redrive_or_discard("discards", parse_targets(targets, everything, service), {"dry_run": dry_run, "note": note})


@dead.command()
def edit(
    letter: Letter,
    body: Annotated[
        Path | None,
        typer.Option(
            help="File with the new body. Without it, $EDITOR opens.",
            metavar="FILE",
            exists=True,
            dir_okay=False,
            readable=True,
        ),
    ] = None,
    type: Annotated[str | None, typer.Option(help="Event type, if the dead letter has none.")] = None,
    note: Annotated[str, typer.Option("--reason", help="Stored with the old body and your name.")] = "edited",
) -> None:
    """Redrive a dead letter with another body, which must match the schema of its event type."""
    service, id = parse_letter(letter)
    client = OperationsClient()
    if body is None:
        old = client.request("GET", service, f"dead-letters/{id}")["body"] or ""
        text = click.edit(format_json(old), extension=".json")
        if text is None:
            raise LocalError(
                "The body was not changed, so nothing was redriven.", f"As it is: ./marketplace dead replay {letter}"
            )
    else:
        text = body.read_text()
    try:
        edited = {"body": json.loads(text), "note": note} | ({"type": type} if type else {})
    except ValueError as error:
        raise LocalError(f"The body is not valid JSON: {error}", "Nothing was changed. Edit it again.") from None
    answer = client.request("POST", service, f"dead-letters/{id}/edit", edited)
    console.print(f"Redriven as event {answer['event_id']}.")


@dead.command()
def retry(
    service: Annotated[str, typer.Argument(help="The service that published the events.", metavar="SERVICE")],
    seqs: Annotated[
        list[int] | None, typer.Argument(metavar="SEQ…", help="Sequence numbers of the events. Default: all.")
    ] = None,
) -> None:
    """Publish again the events that a service set aside as unpublishable. GET /ops/set-aside lists them."""
    answer = OperationsClient().request("POST", service, "set-aside/retry", {"seqs": seqs or None})
    if not answer["retried"]:
        raise LocalError(f"{service} has set no such events aside." if seqs else f"{service} has set no events aside.")
    console.print(f"{pluralized(answer['retried'], 'event')} will be published again.")


@dead.command()
def export(
    service: Service = None,
    output: Annotated[
        Path | None, typer.Option(help="File to write to. Default: standard output.", metavar="FILE", callback=writable)
    ] = None,
) -> None:
    """Export all dead letters with their bodies, one JSON object per line."""
    client = OperationsClient()
    with output.open("w") if output else sys.stdout as lines:
        for name in [service] if service else client.services:
            for letter in client.items(name, "dead-letters", bodies="true"):
                lines.write(json.dumps({"service": name, **letter}) + "\n")


def _redrive_or_discard(path: str, chosen: list[Selection], options: dict[str, Any]) -> None:
    """Redrive or discard (`path`) the chosen dead letters, chunk by chunk, and print the outcome.

    Without a choice, all dead letters of all services are chosen. Exits with 1 if one was refused or does not exist.
    """
    client = OperationsClient()
    total = failed = 0
    for name, choice in chosen or [(name, {"all": True}) for name in client.services]:
        for outcome in client.chunks(name, path, choice | options):
            total += outcome["settled"]
            failed += len(outcome["refused"]) + len(outcome["missing"])
            for refused in outcome["refused"]:
                print_error(f"{name}/{refused['id']} was refused, and remains a dead letter: {refused['why']}")
            for missing in outcome["missing"]:
                print_error(f"{name}/{missing} is not a dead letter.")
    console.print(f"{pluralized(total, 'letter')}{' would be' if options['dry_run'] else ''} {DONE[path]}.")
    if failed:
        raise typer.Exit(1)
