"""Writes the documentation into one directory, which any web server or browser can show."""

import json
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from contracts import Event
from contracts.gate import golden_schema
from infra.lab.docs.asyncapi import asyncapi_document
from infra.lab.docs.event_pages import event_pages
from infra.lab.docs.http_pages import http_pages
from infra.lab.docs.markdown import Document
from infra.lab.docs.runtime_pages import runtime_pages
from infra.lab.docs.site import RUNTIME, build_site
from infra.lab.docs.wiring import ServiceWiring, read_openapi


def build(events: Sequence[type[Event]], services: Sequence[ServiceWiring], checkout: Path, out: Path) -> list[Path]:
    """Write the site and the specifications into `out`, and return the files and directories that were written.

    Raises `LocalError` if a page has an error.
    """
    asyncapi, apis = asyncapi_document(events, services, _version()), read_openapi(checkout)
    pages = event_pages(asyncapi, services) | http_pages(apis) | runtime_pages(checkout / RUNTIME)
    return [build_site(checkout, pages, services, out), *write_specifications(events, asyncapi, apis, out)]


def write_specifications(
    events: Sequence[type[Event]], asyncapi: Document, apis: Mapping[str, Document], out: Path
) -> list[Path]:
    """Write `asyncapi.json`, `schemas/<type>.json` and `openapi/<service>.json`. Empties the two directories first."""
    published = {message["name"] for message in asyncapi["components"]["messages"].values()}
    _write(out / "asyncapi.json", asyncapi)
    _write_all(out / "schemas", {event.type: golden_schema(event) for event in events if event.type in published})
    _write_all(out / "openapi", apis)
    return [out / "asyncapi.json", out / "schemas", out / "openapi"]


def _write_all(directory: Path, documents: Mapping[str, object]) -> None:
    shutil.rmtree(directory, ignore_errors=True)
    for name, content in documents.items():
        _write(directory / f"{name}.json", content)


def _write(file: Path, content: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _version() -> str:
    try:
        return version("marketplace")
    except PackageNotFoundError:  # not installed: run from a checkout
        return "0.1.0"
