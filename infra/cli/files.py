"""Checks the files that a command writes at its end."""

import os
from pathlib import Path

import typer


def writable(path: Path | None) -> Path | None:
    """Return the path. Raises `BadParameter` if the file cannot be written. It is a callback for typer.

    This is checked before the command starts, because it may run for half an hour before it writes.
    """
    if path is None:
        return None
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a directory: name a file in it.")
    if not path.parent.is_dir():
        raise typer.BadParameter(f"There is no directory {path.parent}: create it, or choose another one.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise typer.BadParameter(f"{path} is not writable: choose another file.")
    return path
