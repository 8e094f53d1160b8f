"""A mutant is the code with one safeguard removed by a test, and the error that a check must then raise.

A check that cannot fail proves nothing. Each mutant runs through an existing check, which must fail as expected;
the same check passes without it.
"""

import re
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

Patch = Callable[[Any, str, Any], None]
"""`setattr` in a separate process, pytest's `monkeypatch.setattr` in this one."""
Mutant = Callable[[Patch], None]
"""A function that applies the change. Its docstring says what the changed code does wrong."""


@contextmanager
def expect_failure(about: str) -> Iterator[None]:
    """Expect the block to fail; its error or traceback must match the regular expression `about`."""
    try:
        yield
    except Exception as error:
        text = "".join(traceback.format_exception(error))
        if not re.search(about, text):
            raise AssertionError(f"the check failed with another error than {about!r}") from error
    else:
        pytest.fail(f"the mutant survives: no check failed with {about!r}")
