"""Files that a command is to write when it is done."""

import os
from pathlib import Path

import typer


def writable(path: Path | None) -> Path | None:
    """The file, if it can be written: said before anything is done, as that may take half an hour. For typer."""
    if path is None:
        return None
    if path.is_dir():
        raise typer.BadParameter(f"{path} is a directory: name a file in it.")
    if not path.parent.is_dir():
        raise typer.BadParameter(f"There is no directory {path.parent}: make it, or choose another.")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise typer.BadParameter(f"{path} may not be written: choose another file.")
    return path
