"""The process is killed at every step; the next one continues, and every effect happens exactly once."""

import asyncio
import random
from collections.abc import AsyncIterator

import pytest

from infra.stack import DatabaseUrls, PrivateBroker, PrivatePostgres
from marketplace_runtime.consumer import SUSPECT_AFTER_DEATHS
from marketplace_runtime.consumer.quarantine import MAX_RUNS_ALONE
from tests.integration.messaging.crash.service import table
from tests.integration.messaging.crash.steps import CASES, When, is_rare
from tests.integration.messaging.crash.world import World, crash_world, forget
from tests.integration.messaging.toy import toy_world


@pytest.fixture(scope="module")
async def shared(
    broker: PrivateBroker, postgres: PrivatePostgres, toy_urls: dict[str, DatabaseUrls]
) -> AsyncIterator[World]:
    async with toy_world(broker, postgres, toy_urls) as toy, crash_world(toy) as world:
        yield world


@pytest.fixture
async def world(shared: World) -> World:
    await forget(shared)
    return shared


@pytest.mark.parametrize(
    ("when", "point"),
    [
        pytest.param(when, point, id=f"{when} {point}", marks=[pytest.mark.slow] if is_rare(when, point) else [])
        for when, point in CASES
    ],
)
async def test_after_a_kill_at_any_step_every_effect_happens_once(world: World, when: When, point: str) -> None:
    await world.crash_and_recover(point, when)


@pytest.mark.parametrize(
    "poison", ["poison", *(pytest.param(each, marks=pytest.mark.slow) for each in ("poison deadline", "poison call"))]
)
async def test_an_event_that_kills_its_process_is_dead_lettered_and_the_others_are_handled(
    world: World, poison: str
) -> None:
    await world.publish({"plain": 30, poison: 1, "called": 10})
    process = await world.until_it_stays_alive()
    await world.until_settled(process)
    await world.check(repetitions=world.deaths)
    assert world.deaths == SUSPECT_AFTER_DEATHS + MAX_RUNS_ALONE


@pytest.mark.slow
async def test_deaths_of_other_causes_dead_letter_no_prefetched_message(world: World) -> None:
    await world.publish({"plain": table().prefetch})
    for _ in range(12):
        await world.until_killed(world.start("handler", "before"))
    await world.until_settled(world.start(), within_s=40)
    await world.check()


@pytest.mark.slow
@pytest.mark.parametrize("nth", [2, 3, 5])
@pytest.mark.parametrize("point", ["inbox insert", "handler", "commit", "publish", "acknowledge", "external call"])
async def test_a_kill_at_a_later_pass_of_a_step_also_loses_nothing(world: World, point: str, nth: int) -> None:
    everything = {"plain": 10, "shaky": 3, "doomed": 2, "called": 6}
    await world.publish(everything)
    await world.until_killed(world.start(point, "after", nth))
    await world.until_settled(world.start())
    await world.check()


@pytest.mark.slow
async def test_with_replicas_killed_at_random_every_effect_happens_once(world: World) -> None:
    """No handler kills its process here, so no message may be dead-lettered as poison."""
    chance = random.Random(20240229)
    await world.publish({"plain": 400, "shaky": 20, "doomed": 10, "called": 60})
    replicas = [world.start(), world.start()]
    for _ in range(12):
        await asyncio.sleep(chance.uniform(0.2, 0.8))
        victim = replicas.pop(0)
        victim.kill()
        replicas.append(world.start())
    replicas[0].kill()
    await world.until_settled(replicas[1], within_s=40)
    await world.check(repetitions=14)
