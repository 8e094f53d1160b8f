"""Compares interfaces that others rely on with their recorded forms in `tests/contracts/frozen`.

Record an intended change with `./marketplace test --record-interfaces PATH_OF_THE_TEST`. Commit it together with the
code that makes it.
"""

import json
from pathlib import Path
from typing import Any

import pytest

RECORDED = Path(__file__).parent / "contracts" / "frozen"
OPTION = "--record-interfaces"

_recording = False


def add_option(parser: pytest.Parser) -> None:
    """Add the option that records interfaces instead of comparing them."""
    parser.addoption(OPTION, action="store_true", help="record frozen interfaces as they are now")


def configure(config: pytest.Config) -> None:
    """Remember whether to record."""
    global _recording  # noqa: PLW0603 - set once, before any test runs
    _recording = config.getoption(OPTION)


def require_unchanged(name: str, found: Any) -> None:
    """Assert that an interface equals the one recorded under `name`. With `--record-interfaces`, record it instead."""
    file = RECORDED / f"{name}.json"
    text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    if _recording:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    recorded = json.loads(file.read_text(encoding="utf-8"))
    assert json.loads(text) == recorded, f"{name} changed; if that is intended, run this test with {OPTION}"


def key_paths(value: Any, at: str = "", *, named: frozenset[str] = frozenset()) -> set[str]:
    """Return the path of every key in a JSON document: `parts.*.state`, `lines[].quantity`.

    Keys of an object at one of the `named` paths are names in the data, such as those of services. They count as `*`.
    """
    if isinstance(value, dict):
        found = set()
        for key, each in value.items():
            path = f"{at}.{'*' if at in named else key}".removeprefix(".")
            found |= key_paths(each, path, named=named) | (set() if at in named else {path})
        return found
    if isinstance(value, list):
        return {path for each in value for path in key_paths(each, f"{at}[]", named=named)}
    return set()
