"""Measures the gateway of a stack that is started for it. Direct and indirect requests take turns."""

import os
import statistics
import tempfile
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp

from tests.benchmarks.figures import note
from tests.benchmarks.gateway.flood import LIMITED, flood
from tests.benchmarks.gateway.load import Load, User, saturated, session, steady
from tests.benchmarks.gateway.report import GatewayFigures
from tests.system.marketplace import Marketplace

PAIRS, FLOOD_PAIRS = 15, 5
USERS, RATE, ROUND_S, FLOOD_ROUND_S = 50, 100, 3.0, 10.0
"""The steady load: each user sends two requests per second, far below the limit of 50."""
CLIENTS, SATURATED_S = 16, 5.0
FLOOD_RATE = 500
"""Ten times the limit of one user."""


async def measure_gateway(*, pairs: int = PAIRS, flood_pairs: int = FLOOD_PAIRS) -> GatewayFigures:
    """Start a stack and measure its gateway, with `pairs` rounds for the overhead, and `flood_pairs` for the flood."""
    figures = GatewayFigures()
    with tempfile.TemporaryDirectory(prefix="marketplace-bench-") as home:
        Path(home).chmod(0o711)
        stack = Marketplace(Path(home), f"bench-{os.getpid()}")
        try:
            stack.command("up", "-d")
            async with session() as http:
                await _measure(stack, http, figures, pairs, flood_pairs)
        finally:
            stack.command("down", "--volumes")
    return figures


async def _measure(
    stack: Marketplace, http: aiohttp.ClientSession, figures: GatewayFigures, pairs: int, flood_pairs: int
) -> None:
    state = stack.state
    direct, gateway = state["services"]["cart"]["http"], state["gateway"]["http"]
    users = [await _user(http, state, f"user-{number}") for number in range(USERS)]
    attacker = await _user(http, state, "attacker")

    async def steady_load(base: str, seconds: float = ROUND_S) -> Load:
        return await steady(http, base, users, rate=RATE, seconds=seconds)

    for base in (direct, gateway):
        await steady_load(base)  # to warm up
    for pair in range(pairs):
        turns = (
            (direct, figures.direct_p50_ms, figures.direct_p99_ms),
            (gateway, figures.gateway_p50_ms, figures.gateway_p99_ms),
        )
        for base, medians, tails in turns[:: -1 if pair % 2 else 1]:
            _require_answers(load := await steady_load(base))
            _add_percentiles(load, medians, tails)
        note(f"pair {pair + 1}: p50 {figures.direct_p50_ms[-1]:.2f} ms, {figures.gateway_p50_ms[-1]:.2f} ms by gateway")

    pid = stack.status()["parts"]["gateway"]["pid"]
    before = _cpu_seconds(pid)
    many = await saturated(http, gateway, users, clients=CLIENTS, seconds=SATURATED_S)
    figures.requests_per_core_s = many.statuses.total() / (_cpu_seconds(pid) - before)

    for pair in range(flood_pairs):
        for with_flood in (False, True)[:: -1 if pair % 2 else 1]:
            async with AsyncExitStack() as flooding:
                statuses = (
                    await flooding.enter_async_context(flood(gateway, attacker, FLOOD_RATE)) if with_flood else {}
                )
                load = await steady_load(gateway, FLOOD_ROUND_S)
            _add_percentiles(load, [], figures.flooded_p99_ms if with_flood else figures.quiet_p99_ms)
            figures.others_limited += load.statuses[LIMITED]
            figures.flood_limited += statuses.get(LIMITED, 0)
        note(f"flood, pair {pair + 1}: p99 of the others {figures.flood_ratios[-1]:.2f} times that without")
    figures.memory_mb = stack.status()["parts"]["gateway"]["rss_bytes"] / 1e6


async def _user(http: aiohttp.ClientSession, state: dict[str, Any], name: str) -> User:
    async with http.post(f"{state['issuer']}/token", json={"sub": name}) as answer:
        return User(name, (await answer.json())["access_token"])


def _require_answers(load: Load) -> None:
    if set(load.statuses) != {200}:
        raise RuntimeError(f"not all requests were answered 200: {dict(load.statuses)}")


def _add_percentiles(load: Load, medians: list[float], tails: list[float]) -> None:
    cuts = statistics.quantiles(load.milliseconds, n=100)
    medians.append(cuts[49])
    tails.append(cuts[98])


def _cpu_seconds(pid: int) -> float:
    """Return the processor time that a process has used (Linux)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
