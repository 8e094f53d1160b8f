"""The crash suite finds each safeguard that is removed from the runtime."""

from collections.abc import AsyncIterator
from functools import partial

import pytest

from infra.stack import DatabaseUrls, PrivateBroker, PrivatePostgres
from tests.integration.messaging.crash.steps import CASES, When, is_rare
from tests.integration.messaging.crash.world import World, crash_world, forget
from tests.integration.messaging.toy import toy_world
from tests.integration.mutants.mutant import Mutant, expect_failure
from tests.integration.mutants.runtime import MUTANTS, QUICK

LOST_AFTER_S = 2.0


@pytest.fixture(scope="module")
async def shared(
    broker: PrivateBroker, postgres: PrivatePostgres, toy_urls: dict[str, DatabaseUrls]
) -> AsyncIterator[World]:
    async with toy_world(broker, postgres, toy_urls) as toy, crash_world(toy) as world:
        yield world


@pytest.fixture
async def world(shared: World) -> World:
    await forget(shared)
    shared.lost_after_s = LOST_AFTER_S
    return shared


@pytest.mark.parametrize(
    ("mutant", "when", "point", "error"),
    [
        pytest.param(*each, id=each[0].__name__, marks=[] if each[0] in QUICK else [pytest.mark.slow])
        for each in MUTANTS
    ],
)
async def test_the_crash_suite_finds_the_mutant(
    world: World, mutant: Mutant, when: When, point: str, error: str
) -> None:
    world.change = partial(mutant, setattr)
    with expect_failure(error):
        await world.crash_and_recover(point, when)


def test_the_same_checks_run_by_default_without_a_mutant() -> None:
    """As `test_after_a_kill_at_any_step_every_effect_happens_once`."""
    for _, when, point, _ in MUTANTS:
        assert (when, point) in CASES
        assert not is_rare(when, point)
