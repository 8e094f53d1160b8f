"""Writes one page per package of the messaging runtime. Sphinx fills the pages from the docstrings."""

import re
from pathlib import Path

from infra.lab.docs.markdown import table_of_contents

FOLDER = "reference/runtime"

INDEX = """# The messaging runtime

`marketplace_runtime` is the library on which the five services are built. These pages describe the names that each of
its packages exports, from their docstrings. [ARCHITECTURE](../../ARCHITECTURE.md) shows how the packages work together,
and the [glossary](../../docs/GLOSSARY.md) explains the terms.

"""


RE_EXPORT = re.compile(r"^from marketplace_runtime\.(\w+) import (.+)$", re.MULTILINE)


def runtime_pages(runtime: Path) -> dict[str, str]:
    """Return the text of each page by its path. `runtime` is the directory of the package.

    A name that one package re-exports from another is described only on the page of the package that re-exports it.
    """
    init_files = {each.parent.name: each.read_text(encoding="utf-8") for each in sorted(runtime.glob("*/__init__.py"))}
    re_exported = dict.fromkeys(init_files, "")
    for init_file in init_files.values():
        re_exported |= RE_EXPORT.findall(init_file)
    pages = {package: _page(package, re_exported[package]) for package in init_files}
    pages["index"] = INDEX + table_of_contents(init_files) + "\n"
    return {f"{FOLDER}/{name}.md": text for name, text in pages.items()}


def _page(package: str, re_exported: str) -> str:
    options = "   :members:\n" + (f"   :exclude-members: {re_exported}\n" if re_exported else "")
    return f"# {package}\n\n```{{eval-rst}}\n.. automodule:: marketplace_runtime.{package}\n{options}```\n"
