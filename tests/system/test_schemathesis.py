"""A few answers of one service match its OpenAPI document, directly and through the gateway."""

from pathlib import Path

import pytest

from tests.system.marketplace import Marketplace, Visit
from tests.system.schemathesis_runs import ROLES, Things, a_buyers_things, run


@pytest.fixture(scope="module")
async def things(marketplace: Marketplace) -> Things:
    return await a_buyers_things(marketplace)


@pytest.mark.timeout(180)
async def test_every_answer_matches_the_document(visit: Visit, things: Things, tmp_path: Path) -> None:
    await run(visit, "cart", ROLES["everything"], things, tmp_path, examples=5)


@pytest.mark.slow  # test_exposure.py and the direct run cover the same routes
async def test_a_few_answers_through_the_gateway_match_the_document(
    visit: Visit, things: Things, tmp_path: Path
) -> None:
    everything = ROLES["everything"]
    await run(visit, "cart", everything, things, tmp_path, examples=5, through_gateway=True, phases="fuzzing")
