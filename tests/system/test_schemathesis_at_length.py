"""Many answers of every service to every kind of person match its OpenAPI document."""

from pathlib import Path

import pytest

from tests.system.marketplace import Marketplace, Visit
from tests.system.schemathesis_runs import ROLES, SERVICES, Things, a_buyers_things, run


@pytest.fixture(scope="module")
async def things(marketplace: Marketplace) -> Things:
    return await a_buyers_things(marketplace)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("service", SERVICES)
async def test_many_answers_to_every_kind_of_person_match_the_document(
    visit: Visit, things: Things, service: str, role: str, tmp_path: Path
) -> None:
    await run(visit, service, ROLES[role], things, tmp_path, examples=100)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("service", SERVICES)
async def test_many_answers_through_the_gateway_match_the_document(
    visit: Visit, things: Things, service: str, tmp_path: Path
) -> None:
    await run(visit, service, ROLES["everything"], things, tmp_path, examples=50, through_gateway=True)
