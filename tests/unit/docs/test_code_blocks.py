"""Code and commands that the documents quote exist."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from infra.cli.app import app

ROOT = Path(__file__).parents[3]
PAGES = [ROOT / name for name in ("README.md", "ARCHITECTURE.md", "CONTRIBUTING.md")] + sorted(
    (ROOT / "docs").glob("*.md")
)
QUOTES = [
    (page, path, block)
    for page in PAGES
    for path, block in re.findall(r"^```python (\S+)\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)
    if page.name != "add-a-consumer.md"  # another test writes its files and runs them
]
COMMAND = re.compile(r"(?:^|`)(?:    |\$ )?\./marketplace ([^`#\n]+)", re.MULTILINE)


def commands() -> Iterator[tuple[str, str]]:
    for page in PAGES:
        for line in COMMAND.findall(page.read_text()):
            yield page.name, line.partition("  ")[0].strip().rstrip(".,:;)")


@pytest.mark.parametrize(("page", "path", "block"), QUOTES, ids=[f"{page.name}-{path}" for page, path, _ in QUOTES])
def test_quoted_lines_are_in_their_file_in_the_same_order(page: Path, path: str, block: str) -> None:
    code = iter([line.strip() for line in (ROOT / path).read_text().splitlines()])
    for line in block.splitlines():
        assert any(line.strip() in each for each in code), line


def test_the_search_finds_quotes_and_commands() -> None:
    assert len(QUOTES) >= 6
    assert len(list(commands())) >= 60


@pytest.mark.parametrize(("page", "line"), sorted(set(commands())))
def test_a_quoted_command_and_its_options_exist(page: str, line: str) -> None:
    known: Any = typer.main.get_command(app)
    options = spellings(known)
    words = shlex.split(re.sub(r"[\[\]…|]", " ", line))
    while words and hasattr(known, "commands"):
        word = words.pop(0)
        if word in known.commands:
            known = known.commands[word]
            options |= spellings(known)
        elif word == "COMMAND" or word.isupper():
            return
        else:
            assert word in options, f"{page}: ./marketplace {line}: no command {word!r}"
            words.pop(0)
    if known.name not in {"test", "bench"}:  # they pass their arguments to another program
        named = {word.partition("=")[0] for word in words if re.fullmatch(r"--?[a-z][\w-]*(=.*)?", word)}
        assert named <= options | {"--help"}, f"{page}: ./marketplace {line}"
    if page != "commands.md" and not hasattr(known, "commands"):  # there, each section begins with the bare command
        assert not missing(known, words), f"{page}: ./marketplace {line}: lacks {missing(known, words)}"


def spellings(command: Any) -> set[str]:
    return {name for each in command.params for name in (*each.opts, *each.secondary_opts)}


def missing(command: Any, words: list[str]) -> list[str]:
    """Return the required options and arguments of `command` that `words` leave out."""
    options = {name: each for each in command.params if each.param_type_name == "option" for name in each.opts}
    given, values, rest = set(), 0, iter(words)
    for word in rest:
        name, equals, _ = word.partition("=")
        if not name.startswith("-"):
            values += 1
            continue
        given.add(name)
        if not equals and name in options and not options[name].is_flag:
            next(rest, None)
    required = [each for each in command.params if each.required]
    arguments = [each.name for each in required if each.param_type_name == "argument"]
    lacking = [each.opts[0] for each in required if each.param_type_name == "option" and given.isdisjoint(each.opts)]
    return arguments[values:] + lacking


def test_a_command_without_its_required_options_or_arguments_is_noticed() -> None:
    service: Any = typer.main.get_command(app)
    for word in ("new", "service"):
        service = service.commands[word]
    assert missing(service, ["recommendations", "--subscribes", "checkout.order-confirmed", "--http"]) == []
    assert missing(service, ["--http"]) == ["name", "--subscribes"]
