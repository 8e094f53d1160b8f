"""Writes the event documentation into one directory, which any web server or browser can show."""

import json
import shutil
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from contracts import Event
from contracts.gate import golden
from infra.lab.docs.asyncapi import document
from infra.lab.docs.page import page
from infra.lab.docs.wiring import Wired


def build(events: Sequence[type[Event]], services: Sequence[Wired], out: Path) -> list[Path]:
    """Write `index.html`, `asyncapi.json` and `schemas/<type>.json`. Older schemas in the directory are removed."""
    said = {type for each in services for type in each.says}
    described = document(events, services, _version())
    schemas = out / "schemas"
    shutil.rmtree(schemas, ignore_errors=True)
    schemas.mkdir(parents=True)
    for event in events:
        if event.type in said:
            _write(schemas / f"{event.type}.json", golden(event))
    _write(out / "asyncapi.json", described)
    index = out / "index.html"
    index.write_text(page(described, services), encoding="utf-8")
    return [index, out / "asyncapi.json", schemas]


def _write(file: Path, content: object) -> None:
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _version() -> str:
    try:
        return version("marketplace")
    except PackageNotFoundError:  # not installed: run from a checkout
        return "0.1.0"
