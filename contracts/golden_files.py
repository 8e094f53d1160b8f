"""Reads and writes golden files: JSON documents under version control that record a contract."""

import json
from pathlib import Path

from contracts.normal_form import Schema


def read_golden(file: Path) -> Schema:
    """Return the document in `file`. Raises ValueError if it is no JSON object."""
    match json.loads(file.read_text(encoding="utf-8")):
        case dict() as document:
            return document
        case _:
            raise ValueError("it is not an object")


def write_golden(file: Path, document: Schema) -> None:
    """Write `document` to `file`, and create its folder if there is none."""
    file.parent.mkdir(exist_ok=True)
    file.write_text(json.dumps(document, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
