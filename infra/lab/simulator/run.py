"""Runs the simulator: set up the shop, start sessions as shoppers arrive, wait for their orders, and report."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from infra.lab.simulator.client import Meter, open_http
from infra.lab.simulator.events import count_events, count_settled_events
from infra.lab.simulator.order_outcomes import read_journals, unmeasured_customers, wait_for_orders
from infra.lab.simulator.orders import OrderBook
from infra.lab.simulator.report import EVENT_COUNTS, Report, make_report
from infra.lab.simulator.script import script_of
from infra.lab.simulator.session import Session
from infra.lab.simulator.setup import open_shop
from infra.lab.simulator.shop import Shop
from infra.lab.simulator.traffic import Endpoints, Traffic, arrivals

T = TypeVar("T")
MAX_CONCURRENT_SESSIONS = 5000
"""Maximum number of concurrent sessions. Beyond it, sessions are refused and counted as errors. This bounds memory,
however slow the shop is."""
PROGRESS_INTERVAL_S = 5.0


async def run_traffic(
    endpoints: Endpoints,
    traffic: Traffic,
    progress: Callable[[str], None],
    meanwhile: Callable[[Shop], Coroutine[Any, Any, None]] | None = None,
) -> Report:
    """Run the traffic and return its report. Services that fail meanwhile are reported, not raised.

    `meanwhile` starts together with the traffic. The wait for orders to finish starts when both have ended.

    Takes the traffic's duration and drain, and up to two more minutes for setting up and counting.

    Raises:
        SetUpFailed: the shop could not be set up.
    """
    meter = Meter()
    async with running_shop(endpoints, traffic, meter, progress) as shop:
        before, began = await count_events(shop.operator.client, endpoints.ops), time.time()
        sessions = await _run_alongside(meanwhile and meanwhile(shop), _start_sessions(shop, traffic, meter, progress))
        await _drain(shop, traffic, sessions, progress)
        after = await count_settled_events(shop.operator.client, endpoints.ops)
        events = {name: after[name] - before[name] for name in EVENT_COUNTS}
        return make_report(shop.book, meter, events, duration_s=traffic.duration_s, seed=traffic.seed, opened=began)


@asynccontextmanager
async def running_shop(
    endpoints: Endpoints, traffic: Traffic, meter: Meter, progress: Callable[[str], None]
) -> AsyncIterator[Shop]:
    """Set up a shop with products and customers, and yield it for the duration of the block. Raises `SetUpFailed`."""
    async with open_http() as http:
        with OrderBook(traffic.record) as book:
            yield await open_shop(http, endpoints, traffic, meter=meter, book=book, progress=progress)


async def _run_alongside(other: Coroutine[Any, Any, None] | None, work: Coroutine[Any, Any, T]) -> T:
    """Run both concurrently and return the result of `work`. The first error cancels both."""
    try:
        async with asyncio.TaskGroup() as tasks:
            if other is not None:
                tasks.create_task(other)
            working = tasks.create_task(work)
    except ExceptionGroup as group:
        raise group.exceptions[0] from None
    return working.result()


async def _start_sessions(
    shop: Shop, traffic: Traffic, meter: Meter, progress: Callable[[str], None]
) -> set[asyncio.Task[None]]:
    """Start every session at its arrival time. Returns the sessions that are still running when the traffic ends."""
    progress(f"shopping for {traffic.duration_s:g} s, {traffic.rate:g} shoppers/s")
    sessions: set[asyncio.Task[None]] = set()
    opened = time.monotonic()
    next_progress_s = PROGRESS_INTERVAL_S
    for number, at in enumerate(arrivals(traffic.rate, traffic.duration_s, traffic.seed)):
        await asyncio.sleep(opened + at - time.monotonic())
        if at >= next_progress_s:
            progress(f"{next_progress_s:.0f} s: {_progress_message(number, shop, meter)}")
            next_progress_s += PROGRESS_INTERVAL_S
        if len(sessions) >= MAX_CONCURRENT_SESSIONS:
            meter.requests += 1
            meter.errors["session refused: too many concurrent sessions"] += 1
            continue
        script = script_of(traffic.seed, number, traffic.profile, shop.popularity)
        session = asyncio.create_task(_run_session(Session(shop, number).run(script, opened + at), meter))
        sessions.add(session)
        session.add_done_callback(sessions.discard)
    await asyncio.sleep(opened + traffic.duration_s - time.monotonic())
    return sessions


async def _run_session(session: Coroutine[Any, Any, None], meter: Meter) -> None:
    """Run one session. An unexpected error is counted and ends this session only.

    An example is a response that lacks a required field.
    """
    try:
        await session
    except Exception as error:  # noqa: BLE001 - traffic continues whatever the shop answers
        meter.errors[f"session: {error!r}"[:200]] += 1


async def _drain(
    shop: Shop, traffic: Traffic, sessions: set[asyncio.Task[None]], progress: Callable[[str], None]
) -> None:
    """Wait for the last sessions and for every accepted order, `drain_s` in total, then read the orders' journals."""
    people = unmeasured_customers(shop)
    try:
        async with asyncio.timeout(traffic.drain_s):
            await wait_for_orders(shop, people, sessions, progress)
    except TimeoutError:
        progress(f"{len(shop.book.pending())} orders still pending after {traffic.drain_s:g} s, no longer waiting")
    for session in sessions:
        session.cancel()
    await asyncio.gather(*sessions, return_exceptions=True)
    progress("reading the orders' journals")
    await read_journals(shop, people, list(shop.book.orders.values()))


def _progress_message(arrived: int, shop: Shop, meter: Meter) -> str:
    accepted, errors = len(shop.book.orders), meter.errors.total()
    return f"{arrived:,} shoppers arrived, {accepted:,} orders accepted, {errors:,} HTTP errors"
