"""A mutant: one safeguard taken out of the code, by the test alone, and the complaint that it must provoke.

A check that cannot fail proves nothing. Each mutant runs through an existing check, which has to fail as expected;
the same check passes without it.
"""

import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

Patch = Callable[[Any, str, Any], None]
"""`setattr` in a process of its own, pytest's `monkeypatch.setattr` in this one."""
Mutant = Callable[[Patch], None]
"""Its docstring says what the changed code does wrong."""


@contextmanager
def complains(about: str) -> Iterator[None]:
    """What runs inside fails, and its error or the lines of code that led to it match `about`, a regular expression."""
    try:
        yield
    except Exception as error:
        told = "".join(traceback.format_exception(error))
        if not re.search(about, told):
            raise AssertionError(f"something else was complained of than {about!r}") from error
    else:
        pytest.fail(f"the mutant lives: nobody complained that {about!r}")
