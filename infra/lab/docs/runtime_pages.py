"""Writes one page per package of the messaging runtime; the generator fills it from the docstrings."""

import re
from pathlib import Path

from infra.lab.docs.markdown import contents

FOLDER = "reference/runtime"

INDEX = """# The messaging runtime

`marketplace_runtime` is the library on which the five services are built. These pages describe the names that each of
its packages exports, from their docstrings. [ARCHITECTURE](../../ARCHITECTURE.md) shows how the packages work together,
and the [glossary](../../docs/GLOSSARY.md) explains the terms.

"""


RE_EXPORT = re.compile(r"^from marketplace_runtime\.(\w+) import (.+)$", re.MULTILINE)


def runtime_pages(runtime: Path) -> dict[str, str]:
    """Return the text of each page by its path. `runtime` is the directory of the package.

    A name that one package re-exports from another is described on the page of the first.
    """
    fronts = {each.parent.name: each.read_text(encoding="utf-8") for each in sorted(runtime.glob("*/__init__.py"))}
    elsewhere = dict.fromkeys(fronts, "")
    for front in fronts.values():
        elsewhere |= RE_EXPORT.findall(front)
    pages = {package: _page(package, elsewhere[package]) for package in fronts}
    pages["index"] = INDEX + contents(fronts) + "\n"
    return {f"{FOLDER}/{name}.md": text for name, text in pages.items()}


def _page(package: str, elsewhere: str) -> str:
    options = "   :members:\n" + (f"   :exclude-members: {elsewhere}\n" if elsewhere else "")
    return f"# {package}\n\n```{{eval-rst}}\n.. automodule:: marketplace_runtime.{package}\n{options}```\n"
