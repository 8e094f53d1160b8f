"""The gateway follows the supervisor's registry of replicas within a second, and no request fails meanwhile."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import aiohttp
import pytest

from infra.stack import read_state
from tests.integration.local.running_stack import parts, until
from tests.integration.local.toy_stack import SLOW_S
from tests.integration.local.toys import Toys

NOTICED_WITHIN_S = 1.0


async def test_every_replica_is_used_once_scale_returns(toys: Toys) -> None:
    await toys.order("scale", service="catalog", replicas=3)
    three = {await toys.pid(f"catalog.{number}") for number in (1, 2, 3)}
    assert {(await toys.get())[1] for _ in range(60)} == three

    async with toys.load() as load:
        await toys.order("scale", service="catalog", replicas=2)
        scaled = time.monotonic()
        await asyncio.sleep(0.2)  # further requests
    load.require_no_failure(at_least=10)
    assert load.texts_since(scaled) == {await toys.pid(f"catalog.{number}") for number in (1, 2)}
    assert await toys.replica("catalog.3") == {}


@pytest.mark.parametrize(("end", "state"), [("kill", "killed"), ("stop", "stopped")])
async def test_a_replica_that_ends_gets_no_request_after_a_second_and_none_fails(
    toys: Toys, end: str, state: str
) -> None:
    stays = await toys.pid("catalog.1")
    async with toys.load() as load:
        await asyncio.sleep(0.1)  # requests reach both
        began = time.monotonic()
        await toys.order(end, "catalog.2")
        await toys.until_seen_as("catalog.2", "absent", NOTICED_WITHIN_S)
        noticed = time.monotonic()
        await asyncio.sleep(0.1)
        assert (await toys.replica("catalog.2"))["state"] == state
        await toys.order("start", "catalog.2")
        returned = time.monotonic()
        await asyncio.sleep(0.1)
    load.require_no_failure(at_least=10)
    assert noticed - began < NOTICED_WITHIN_S
    meanwhile = {each.text for each in load.sent if noticed < each.began < returned - 0.5}
    assert meanwhile <= {stays}
    assert load.texts_since(returned) == {stays, await toys.pid("catalog.2")}


@pytest.mark.slow  # each single step is tested above
async def test_a_service_is_restarted_one_replica_at_a_time_and_no_request_fails(toys: Toys) -> None:
    before = {await toys.pid("catalog.1"), await toys.pid("catalog.2")}
    async with toys.load() as load:
        await toys.order("restart", "catalog")
    load.require_no_failure(at_least=10)
    assert not before & {await toys.pid("catalog.1"), await toys.pid("catalog.2")}


async def test_a_crashed_replica_is_left_out_until_it_runs_again_and_no_request_fails(toys: Toys) -> None:
    crashing = await toys.pid("catalog.2")
    restarts = (await parts(toys.where))["catalog.2"]["restarts"]
    async with toys.load() as load:
        with pytest.raises(aiohttp.ClientError):
            await toys.http.get(read_state(toys.where.state).services["catalog"].ops["catalog.2"] + "/crash")
        crashed = time.monotonic()
        now = await until(toys.where, has_restarted("catalog.2", restarts))
        await toys.until_seen_as("catalog.2", "healthy", 5)
    load.require_no_failure(at_least=10)
    assert crashing not in load.texts_since(crashed)
    assert str(now["catalog.2"]["pid"]) in load.texts_since(crashed) or len(load.texts_since(crashed)) == 1


def has_restarted(part: str, restarts: int) -> Callable[[dict[str, Any]], bool]:
    return lambda now: now[part]["restarts"] > restarts and now[part]["state"] == "ready"


@pytest.mark.slow  # requests to a replica that hangs are repeated after 11 s
async def test_a_paused_replica_fails_its_health_checks_and_returns_when_it_is_resumed(toys: Toys) -> None:
    paused = await toys.pid("catalog.2")
    async with toys.load() as load:
        await toys.order("pause", "catalog.2")
        await toys.until_seen_as("catalog.2", "unhealthy", 8)
        left_out = time.monotonic()
        for _ in range(20):
            assert (await toys.get())[1] != paused
        assert (await toys.replica("catalog.2"))["state"] == "paused"
        async with asyncio.timeout(10):
            while not load.texts_since(left_out):  # requests that had reached the paused replica are answered
                await asyncio.sleep(0.02)
        await toys.order("resume", "catalog.2")
        await toys.until_seen_as("catalog.2", "healthy", 5)
        resumed = time.monotonic()
        await asyncio.sleep(0.2)
    load.require_no_failure(at_least=10)
    assert paused in load.texts_since(resumed)


async def test_the_registry_lists_every_replica_with_its_address_state_and_the_gateways_view(toys: Toys) -> None:
    listed = {each["replica"]: each for each in (await toys.order("discovery"))["replicas"]}
    assert set(listed) == {"catalog.1", "catalog.2", "delivery.1"}
    for name, each in listed.items():
        assert set(each) == {"service", "replica", "address", "state", "since", "gateway"}
        assert (each["service"], each["state"], each["gateway"]) == (name.partition(".")[0], "ready", "healthy")
        assert time.time() - 60 < each["since"] < time.time()
        async with toys.http.get(each["address"]) as answer:
            assert await answer.text() == await toys.pid(name)


async def test_without_any_replica_the_gateway_answers_503_at_once(toys: Toys) -> None:
    await toys.order("kill", "delivery")
    async with toys.http.get(f"{toys.gateway}/delivery/1") as answer:
        assert answer.status == 503
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert 0 < int(answer.headers["Retry-After"]) <= 60
        problem = await answer.json(content_type=None)
    assert (problem["status"], problem["type"]) == (503, "urn:problem:toy:unavailable")
    assert "delivery" in problem["detail"]
    assert (await toys.get("/catalog/1"))[0] == 200
    await toys.order("start", "delivery")
    assert (await toys.get("/delivery/1"))[0] == 200


async def test_requests_under_way_on_a_stopped_replica_finish(toys: Toys) -> None:
    async with asyncio.TaskGroup() as group:
        slow = [group.create_task(toys.get("/catalog/slow")) for _ in range(20)]
        await asyncio.sleep(SLOW_S / 3)  # all have reached a replica
        both = {await toys.pid("catalog.1"), await toys.pid("catalog.2")}
        await toys.order("stop", "catalog.2")
        await toys.order("start", "catalog.2")
    assert {task.result()[0] for task in slow} == {200}
    assert {task.result()[1] for task in slow} == both
