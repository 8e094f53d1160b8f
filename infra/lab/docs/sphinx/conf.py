"""Configures Sphinx for the documentation site."""

import re
from typing import Any

project = "Marketplace"
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.viewcode"]
exclude_patterns = [".cache"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = "Marketplace"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_show_sphinx = False
html_copy_source = False
html_show_search_summary = False  # opened from disk, the search page cannot load the pages that it would quote
autodoc_member_order = "bysource"
python_maximum_signature_line_length = 100
default_role = "code"

CODE = re.compile(r"(`[^`]+`)")


def convert_to_restructured_text(*arguments: Any) -> None:
    """Convert a docstring to reStructuredText, in place. Ours use Markdown for code, and no other markup."""
    lines: list[str] = arguments[-1]
    for number, line in enumerate(lines):
        parts = CODE.split(line)
        parts[::2] = [re.sub(r"([*|\\_])", r"\\\1", words) for words in parts[::2]]
        # an escaped space, which is not shown, ends the code even if a letter follows
        parts[1::2] = [f"{code}\\ " for code in parts[1::2]]
        lines[number] = "".join(parts).removesuffix("\\ ")


def setup(app: Any) -> None:
    """Register the conversion of docstrings."""
    app.connect("autodoc-process-docstring", convert_to_restructured_text)
