"""The error of the declare step is reported to the person who starts the stack."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from infra.stack import NotReady
from infra.stack.layout import CHECKOUT, layout
from infra.stack.stack import Stack
from infra.stack.stack_programs import Programs

Declaring = Callable[[str], Stack]


@pytest.fixture
def declaring(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Declaring:
    """Build a stack without running parts, with a given program as its declare step."""
    monkeypatch.setenv("MARKETPLACE_STATE_HOME", str(tmp_path))

    def stack(program: str) -> Stack:
        this = (sys.executable, "-c", program)
        return Stack(layout("declaring"), Programs(["cart"], lambda _: this, this, this, this, this, CHECKOUT))

    return stack


async def test_the_last_refusal_is_reported_word_for_word(declaring: Declaring) -> None:
    for words in ("queue cart.orders: arguments is {}", "binding: not wanted any more"):
        with pytest.raises(NotReady) as refused:
            await declaring(f"import sys; sys.exit({words!r})").declare()
        assert str(refused.value).endswith(f"failed with exit code 1. {words}")


async def test_a_traceback_is_only_in_the_log(declaring: Declaring) -> None:
    with pytest.raises(NotReady) as refused:
        await declaring("1 / 0").declare()
    assert str(refused.value).endswith("failed with exit code 1.")
    assert "declare.log" in refused.value.remedy
