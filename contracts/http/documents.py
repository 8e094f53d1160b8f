"""Reads today's OpenAPI documents from the services' code, without starting the services.

Contracts import no service. A separate process loads the services' tables and prints the documents.
"""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

from contracts.http.references import Document

CHECKOUT = Path(__file__).parents[2]


class UnreadableApi(Exception):
    """The OpenAPI documents of the services can't be made."""


def read_documents(checkout: Path = CHECKOUT) -> dict[str, Document]:
    """Return, by service, the document that it serves at `/openapi.json`. Raises UnreadableApi."""
    with (checkout / "pyproject.toml").open("rb") as file:
        services: list[str] = tomllib.load(file)["tool"]["marketplace"]["services"]
    command = ("-m", "marketplace_runtime", "openapi", *services)
    done = subprocess.run(  # noqa: S603 - fixed command of this project
        (sys.executable, "-P", *command),
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": os.pathsep.join([str(checkout), *sys.path])},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        error = done.stderr.strip().splitlines()[-1:] or ["the process reported nothing"]
        raise UnreadableApi(f"The HTTP APIs can't be read: {error[0]}\nSee more: .venv/bin/python {' '.join(command)}")
    documents: dict[str, Document] = json.loads(done.stdout)
    return documents
