"""Generates the command reference, docs/commands.md, from the commands themselves.

.venv/bin/python -m infra.cli.reference            prints it
.venv/bin/python -m infra.cli.reference --write    writes it to docs/commands.md
"""

import sys
from collections.abc import Iterator
from typing import Any

import typer

from infra.cli.app import app
from infra.cli.groups import GROUPS
from infra.stack import CHECKOUT

PAGE = CHECKOUT / "docs/commands.md"
HEAD = """# Commands

Every command of `./marketplace`, with its arguments and options. `./marketplace COMMAND --help` shows the same.

Exit codes: 0 the command succeeded; 1 it failed; 2 its arguments were wrong; 130 it was interrupted. `audit`,
`demo` and `chaos` end with 3 if the verdict is unknown.

<!-- made by `python -m infra.cli.reference --write` -->
"""


def reference() -> str:
    """Return the page as Markdown: one section per group of commands, one heading per command."""
    root: Any = typer.main.get_command(app)
    parts = [HEAD, *_options("Options of every command, before its name:", root)]
    for heading, names in GROUPS.items():
        parts.append(f"## {heading}\n")
        for name in names:
            parts += _described(name, root.commands[name])
    return "\n".join(parts).rstrip() + "\n"


def _described(name: str, command: Any) -> Iterator[str]:
    if hasattr(command, "commands"):
        for each in command.commands.values():
            yield from _described(f"{name} {each.name}", each)
        return
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    usage = " ".join(["./marketplace", name, *map(_usage, arguments)])
    yield f"### {name}\n\n`{usage}`\n\n{_one_line(command.help)}\n"
    yield from _table("argument", [(_usage(each), _one_line(each.help)) for each in arguments if each.help])
    yield from _options("", command)


def _options(title: str, command: Any) -> Iterator[str]:
    options = [each for each in command.params if each.param_type_name == "option" and not each.hidden]
    rows = [(_spelling(each), f"{_one_line(each.help)}{_default(each)}") for each in options]
    if rows and title:
        yield f"{title}\n"
    yield from _table("option", rows)


def _spelling(option: Any) -> str:
    names = ", ".join([*option.opts, *option.secondary_opts])
    return names if option.is_flag else f"{names} {option.metavar or option.display_type(None)}"


def _default(option: Any) -> str:
    has_none = option.is_flag or option.default in (None, (), [], "") or callable(option.default)
    return "" if has_none else f" Default: {str(option.default).removeprefix(f'{CHECKOUT}/')}."


def _usage(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _one_line(text: str | None) -> str:
    return " ".join((text or "").split())


def _table(heading: str, rows: list[tuple[str, str]]) -> Iterator[str]:
    if rows:
        yield f"| {heading} | |\n|---|---|"
        yield from (
            "| " + " | ".join([f"`{name}`".replace("|", "\\|"), text.replace("|", "\\|")]) + " |" for name, text in rows
        )
        yield ""


if __name__ == "__main__":
    if "--write" in sys.argv:
        PAGE.write_text(reference(), encoding="utf-8")
    else:
        print(reference(), end="")
