"""Trace context is propagated by the rules of W3C Trace Context."""

import asyncio
import re

import pytest

from marketplace_runtime.telemetry import child_traceparent, current_traceparent, new_traceparent, trace

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def test_a_child_has_the_same_trace_and_a_new_span() -> None:
    child = child_traceparent(PARENT)
    assert child.startswith("00-0af7651916cd43dd8448eb211c80319c-")
    assert child.endswith("-01")
    assert child != PARENT


def test_an_unsampled_trace_stays_unsampled_and_unknown_flags_are_dropped() -> None:
    assert child_traceparent(PARENT[:-2] + "00").endswith("-00")
    assert child_traceparent(PARENT[:-2] + "ff").endswith("-01")


def test_a_later_version_is_parsed_by_the_rules_of_this_one() -> None:
    assert child_traceparent("cc" + PARENT[2:] + "-what-comes-later").split("-")[1] == PARENT.split("-")[1]


@pytest.mark.parametrize(
    "invalid",
    [
        None,
        "",
        "rubbish",
        PARENT.upper(),
        "ff" + PARENT[2:],
        PARENT + "-more",
        PARENT + "\n",
        "00-" + "0" * 32 + "-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-" + "0" * 16 + "-01",
    ],
)
def test_an_invalid_parent_starts_a_new_trace(invalid: str | None) -> None:
    child = child_traceparent(invalid)
    assert re.fullmatch(r"00-[0-9a-f]{32}-[0-9a-f]{16}-01", child)
    assert PARENT.split("-")[1] not in child


def test_a_block_has_a_child_span_and_restores_the_outer_one() -> None:
    with trace(PARENT) as outer:
        assert current_traceparent() == outer
        with trace(current_traceparent()) as inner:
            assert inner.split("-")[1] == outer.split("-")[1] == PARENT.split("-")[1]
            assert current_traceparent() == inner
        assert current_traceparent() == outer
    assert current_traceparent() != outer


async def test_each_task_has_its_own_span() -> None:
    async def traced() -> tuple[str, str]:
        with trace(new_traceparent()) as span:
            await asyncio.sleep(0)
            return span, current_traceparent()

    for mine, seen in await asyncio.gather(*(traced() for _ in range(10))):
        assert mine == seen
