"""The gateway ejects replicas that fail, never those that answer, and limits requests under way, retries and waiting.

The limits are those of the real configuration, except that some are small enough to be reached here.
"""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest
from aiohttp import web

from infra.stack.gateway.clusters import RETRY_BUDGET_PERCENT
from infra.stack.gateway.routes import MAX_ATTEMPT_S, MAX_REQUEST_S
from infra.stack.gateway.script import GRACE_MS
from tests.integration.gateway.upstreams import Front, Upstream, answer_503, gateway, hang, reset, succeed

SERVICES = ["refusing", "hanging", "busy", "crowded", "resetting", "posting", "impatient", "slow"]
MAX_REQUESTS, MIN_RETRIES = 80, 20
RETRIES = 3


@pytest.fixture(scope="module")
async def front(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Front]:
    with pytest.MonkeyPatch.context() as settings:
        for name in ("MAX_REQUESTS", "MAX_PENDING"):
            settings.setattr(f"infra.stack.gateway.clusters.{name}", MAX_REQUESTS)
        settings.setattr("infra.stack.gateway.clusters.MIN_RETRIES", MIN_RETRIES)
        async with gateway(tmp_path_factory.mktemp("gateway"), SERVICES) as front:
            yield front


async def test_a_replica_that_refuses_connections_is_ejected_and_used_again_when_it_listens(front: Front) -> None:
    failing, good = Upstream(), Upstream()
    async with AsyncExitStack() as stack:
        async with front.replicas("refusing", failing, good):
            pass
        await stack.enter_async_context(good.listen())
        while await front.view(failing) != "ejected":
            assert (await front.send("refusing"))[0] == 200
        await stack.enter_async_context(failing.listen())
        await front.until_seen_as(failing, "healthy", 10)
        failing.seen.clear()
        while not failing.seen:
            assert (await front.send("refusing"))[0] == 200


@pytest.mark.slow  # an attempt ends after 11 s
async def test_a_replica_that_hangs_is_ejected_and_another_answers_its_requests(front: Front) -> None:
    hanging, good = Upstream(hang), Upstream()
    async with front.replicas("hanging", hanging, good):
        began = time.monotonic()
        answers = await asyncio.gather(*(front.send("hanging") for _ in range(MIN_RETRIES)))  # any number may hang
        assert {status for status, *_ in answers} == {200}
        assert MAX_ATTEMPT_S <= time.monotonic() - began < MAX_ATTEMPT_S + 2
        assert await front.view(hanging) == "ejected"
        await front.until_seen_as(hanging, "healthy", 5)
        hanging.seen.clear()
        good.seen.clear()
        once = await asyncio.gather(*(front.send("hanging", "POST") for _ in range(4)))
        assert {status for status, *_ in once} <= {200, 504}
        assert len(hanging.seen) + len(good.seen) == len(once)


async def test_a_replica_that_answers_503_is_neither_ejected_nor_relieved_by_retries(front: Front) -> None:
    busy, good = Upstream(answer_503), Upstream()
    async with front.replicas("busy", busy, good):
        answers = [await front.send("busy") for _ in range(40)]
        while len(busy.seen) <= 10:  # the replica is chosen at random
            answers.append(await front.send("busy"))
        assert len(busy.seen) + len(good.seen) == len(answers)
        refused = [headers for status, headers, _ in answers if status == 503]
        assert len(refused) == len(busy.seen) > 10
        assert {headers["Retry-After"] for headers in refused} == {"7"}  # the service's own answer
        assert await front.view(busy) == "healthy"


async def test_beyond_the_limit_of_requests_under_way_the_answer_is_503_at_once(front: Front) -> None:
    release = asyncio.Event()

    async def wait(request: web.BaseRequest) -> web.StreamResponse:
        await release.wait()
        return web.Response()

    crowded = Upstream(wait)
    async with front.replicas("crowded", crowded):
        waiting = [asyncio.create_task(front.send("crowded")) for _ in range(MAX_REQUESTS)]
        async with asyncio.timeout(5):
            while len(crowded.seen) < MAX_REQUESTS:
                await asyncio.sleep(0.01)
        began = time.monotonic()
        status, headers, _ = await front.send("crowded")
        assert time.monotonic() - began < 1
        assert (status, headers["Content-Type"]) == (503, "application/problem+json")
        assert int(headers["Retry-After"]) > 0
        release.set()
        assert {(await task)[0] for task in waiting} == {200}
        assert (await front.send("crowded"))[0] == 200
        assert len(crowded.seen) == MAX_REQUESTS + 1


async def test_when_all_replicas_fail_retries_stay_within_their_budget(front: Front) -> None:
    first, second = Upstream(reset), Upstream(reset)
    async with front.replicas("resetting", first, second):
        requests = MAX_REQUESTS - 10
        answers = await asyncio.gather(*(front.send("resetting") for _ in range(requests)))
        assert {status for status, *_ in answers} == {503}
        assert all("Retry-After" in headers for _, headers, _ in answers)
        attempts = len(first.seen) + len(second.seen)
        at_once = max(MIN_RETRIES, requests * RETRY_BUDGET_PERCENT // 100)
        assert attempts <= requests + RETRIES * at_once  # fewer, if both are ejected before
        retries = "cluster.resetting.upstream_rq_retry"
        assert 0 < (await front.admin.counters(f"^{retries}$"))[retries] <= RETRIES * at_once


@pytest.mark.slow  # the maximum is 15 s
async def test_no_request_takes_longer_than_the_maximum(front: Front) -> None:
    async with front.replicas("slow", Upstream(hang)):
        began = time.monotonic()
        assert (await front.send("slow"))[0] == 504
        assert MAX_REQUEST_S - 1 < time.monotonic() - began < MAX_REQUEST_S + 1


async def test_only_requests_that_may_be_repeated_are_sent_again_after_a_reset(front: Front) -> None:
    failing, good = Upstream(reset), Upstream()
    async with front.replicas("posting", failing, good):
        sent = 30
        repeated = [await front.send("posting", "POST", **{"Idempotency-Key": "k"}) for _ in range(sent)]
        assert {status for status, *_ in repeated} == {200}
        assert len(good.seen) == sent
        failing.seen.clear()
        good.seen.clear()
        once = [await front.send("posting", "POST") for _ in range(sent)]
        assert {status for status, *_ in once} == {200, 503}
        assert len(good.seen) + len(failing.seen) == sent


async def test_a_short_request_timeout_reaches_the_service_ends_the_wait_and_ejects_nobody(front: Front) -> None:
    hanging = Upstream(hang)
    async with front.replicas("impatient", hanging):
        began = time.monotonic()
        answers = await asyncio.gather(*(front.send("impatient", **{"Request-Timeout": "0.2"}) for _ in range(20)))
        assert 0.2 <= time.monotonic() - began < 0.2 + GRACE_MS / 1000 + 0.8
        assert {status for status, *_ in answers} == {504}
        assert {headers["Content-Type"] for _, headers, _ in answers} == {"application/problem+json"}
        assert [headers["Request-Timeout"] for headers in hanging.seen] == ["0.2"] * 20
        assert not any("grpc-timeout" in headers for headers in hanging.seen)
        hanging.behaviour = succeed
        assert await front.view(hanging) == "healthy"
        assert (await front.send("impatient"))[0] == 200
        assert (await front.send("impatient", **{"Request-Timeout": "9999999"}))[0] == 200
