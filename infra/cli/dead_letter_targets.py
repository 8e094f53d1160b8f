"""Parses the dead letters that a person names on the command line."""

from typing import Any

import typer

Selection = tuple[str, dict[str, Any]]
LETTER, GROUP = "SERVICE/ID", "SERVICE/GROUP"
MAX_ID_DIGITS = 18
"""Maximum number of digits of a dead letter's id. Any other name is that of a group."""


def parse_targets(targets: list[str] | None, everything: bool, service: str | None) -> list[Selection]:
    """Return the dead letters that a person named, by service. Empty means all dead letters of all services.

    Raises `BadParameter` if the arguments contradict each other.
    """
    if everything and targets:
        raise typer.BadParameter("give dead letters or groups, or --all, but not both")
    if service and targets:
        raise typer.BadParameter("--service needs --all: names of dead letters and groups contain their service")
    if not (everything or targets):
        raise typer.BadParameter("give dead letters or groups, or --all, optionally with --service")
    if everything:
        return [(service, {"all": True})] if service else []
    names = map(split_target, targets or ())
    return [(owner, {"ids": [int(name)]} if _is_id(name) else {"group": name}) for owner, name in names]


def split_target(target: str) -> tuple[str, str]:
    """Split SERVICE/ID or SERVICE/GROUP at the slash. Raises `BadParameter` if a part is missing."""
    service, _, name = target.partition("/")
    if not (service and name):
        raise typer.BadParameter(
            f"{target!r}: write it as {GROUP}, as listed by `dead ls`, or as {LETTER}, as listed by `dead ls {GROUP}`"
        )
    return service, name


def parse_letter(target: str) -> tuple[str, str]:
    """Split SERVICE/ID at the slash. Raises `BadParameter` if it does not name one dead letter."""
    service, id = split_target(target)
    if not _is_id(id):
        raise typer.BadParameter(
            f"{target!r} is not a dead letter: write it as {LETTER}, as listed by `dead ls {GROUP}`"
        )
    return service, id


def _is_id(name: str) -> bool:
    return name.isdecimal() and len(name) <= MAX_ID_DIGITS
