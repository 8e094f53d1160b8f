"""The contract gate accepts today's events. A failure here is one that `python -m contracts check` reports."""

import pytest

from contracts.gate import SCHEMAS, Review, Verdict, explain, review
from contracts.registry import BY_TYPE, EVENTS


@pytest.mark.parametrize("reviewed", review(EVENTS), ids=lambda each: each.event_type)
def test_an_event_agrees_with_its_golden_schema(reviewed: Review) -> None:
    assert reviewed.verdict is Verdict.AGREES, "\n" + explain(reviewed)


def test_there_is_one_golden_schema_for_each_event() -> None:
    assert {file.stem for file in SCHEMAS.iterdir()} == BY_TYPE.keys()
