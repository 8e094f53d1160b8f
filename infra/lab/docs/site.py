"""Builds the documentation as a searchable site, with Sphinx and without a network."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

from infra.lab.docs.event_pages import drawn_map
from infra.lab.docs.markdown import table, table_of_contents
from infra.lab.docs.wiring import ServiceWiring
from infra.stack import LocalError, python_path

CONFIGURATION = Path(__file__).parent / "sphinx"
RUNTIME = "infra/runtime/marketplace_runtime"

CONTENTS = {
    "Run it": ["docs/by-hand", "docs/gateway", "docs/break-it", "docs/degradation"],
    "Extend it": ["docs/add-a-consumer", "docs/change-an-event", "docs/http-apis", "docs/webhooks", "docs/wire-format"],
    "Understand it": [
        "ARCHITECTURE",
        "docs/GLOSSARY",
        "docs/audit",
        "docs/performance",
        "DECISIONS",
        "docs/dependencies",
    ],
    "Reference": ["docs/commands", "reference/events/index", "reference/http/index", "reference/runtime/index"],
    "Change it": ["CONTRIBUTING", "CHANGELOG"],
}
"""The pages in the order of the sidebar. The build fails if a page is in no table of contents."""

LINK = re.compile(r"(?<!!)\[([^\]\n]+)\]\((?!https?:)([^)#\s]*)(#[^)\s]*)?\)")
FLOW_CHART = re.compile(r"^```mermaid\nflowchart.*?^```$", re.MULTILINE | re.DOTALL)
SEQUENCE = re.compile(r"^```mermaid\nsequenceDiagram\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def build_site(checkout: Path, generated: Mapping[str, str], services: Sequence[ServiceWiring], out: Path) -> Path:
    """Build the Markdown pages of `checkout`, and generated ones, given by their path. Returns the first page.

    Raises `LocalError` if a link leads nowhere, or a page is in no table of contents.
    """
    with TemporaryDirectory() as directory:
        source = Path(directory)
        pages = {**written_pages(checkout), **generated}
        for path, text in pages.items():
            page = source / path
            page.parent.mkdir(parents=True, exist_ok=True)
            page.write_text(prepare_page(text, PurePosixPath(path), pages, services), encoding="utf-8")
        for picture in (checkout / "docs").glob("*.svg"):
            shutil.copy(picture, source / "docs")
        command = ("-m", "sphinx", "-q", "-W", "--keep-going", "-E", "-d", f"{source}/.cache", "-c", f"{CONFIGURATION}")
        done = subprocess.run(  # noqa: S603 - fixed command of this project
            (sys.executable, "-P", *command, f"{source}", f"{out}"),
            env={**os.environ, "PYTHONPATH": python_path(checkout)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            problems = done.stderr.replace(f"{source}/", "").strip()
            raise LocalError(f"The documentation has errors:\n{problems}", "Correct these pages, then build again.")
    return out / "index.html"


def written_pages(checkout: Path) -> dict[str, str]:
    """Return the text of each Markdown page by its path. README is the first page, with the table of contents."""
    files = [*checkout.glob("*.md"), *(checkout / "docs").rglob("*.md")]
    pages = {file.relative_to(checkout).as_posix(): file.read_text(encoding="utf-8") for file in sorted(files)}
    sidebar = [table_of_contents(names, ":hidden:", f":caption: {caption}") for caption, names in CONTENTS.items()]
    pages["index.md"] = "\n\n".join([pages.pop("README.md"), *sidebar])
    pages["DECISIONS.md"] += "\n\n" + table_of_contents(
        (path for path in pages if path.startswith("docs/adr/")), ":hidden:"
    )
    return pages


def prepare_page(text: str, page: PurePosixPath, pages: Mapping[str, str], services: Sequence[ServiceWiring]) -> str:
    """Return the text with diagrams that need no script, and without links to files that are not on the site."""

    def link(found: re.Match[str]) -> str:
        words, path, anchor = found[1], found[2], found[3] or ""
        if not path:
            return found[0]
        target = os.path.normpath(page.parent / path)
        if target.startswith(f"{RUNTIME}/"):
            target = f"reference/runtime/{PurePosixPath(target).relative_to(RUNTIME).parts[0]}.md"
        target = "index.md" if target == "README.md" else target
        return f"[{words}]({os.path.relpath(target, page.parent)}{anchor})" if target in pages else words

    text = FLOW_CHART.sub(lambda _: drawn_map(services), text)
    return LINK.sub(link, SEQUENCE.sub(lambda found: _steps(found[1]), text))


def _steps(diagram: str) -> str:
    """Return the steps of a sequence diagram as a table."""
    names = dict(re.findall(r"(?:actor|participant) (\w+) as (.+)", diagram))
    steps = re.findall(r"(\w+)--?>>(\w+): (.+)", diagram)
    return table(["from", "to", ""], [(names.get(a, a), names.get(b, b), text) for a, b, text in steps])
