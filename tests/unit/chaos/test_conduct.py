"""A fault that cannot be begun, seen or undone says so, and stops nothing else."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import pytest
from pika.exceptions import AMQPConnectionError

from infra.lab.chaos import Fault, Journal, Site
from infra.lab.chaos.experiment_runner import carry_out
from infra.lab.chaos.fault import Kind, Touches
from infra.lab.chaos.kinds import FAMILY, KINDS
from infra.lab.chaos.schedule import Planned
from infra.stack import Layout, StackState


class Odd(Kind):
    """Fails in one of its steps."""

    name, about, momentary = "odd", "It fails.", True

    def __init__(self, fails_at: str = "", error: Exception | None = None) -> None:
        self.fails_at, self.error, self.ended = fails_at, error, 0

    def parts(self, services: Sequence[str]) -> list[str]:
        return ["cart"]

    def touches(self, part: str) -> Touches:
        return Touches()

    async def begin(self, site: Site, fault: Fault) -> None:
        self.fail("begin")

    async def bite(self, site: Site, fault: Fault) -> str:
        self.fail("bite")
        return "it bit"

    async def end(self, site: Site, fault: Fault) -> None:
        self.ended += 1
        self.fail("end")

    def fail(self, step: str) -> None:
        if step == self.fails_at and self.error:
            raise self.error


@pytest.mark.parametrize("step", ["begin", "bite", "end"])
@pytest.mark.parametrize("error", [KeyError("routed"), ValueError("no number"), RuntimeError("nobody foresaw it")])
async def test_whatever_a_fault_fails_with_the_others_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, step: str, error: Exception
) -> None:
    odd, sound = Odd(step, error), Odd()
    for name, kind in {"odd": odd, "sound": sound}.items():
        monkeypatch.setitem(KINDS, name, kind)
        monkeypatch.setitem(FAMILY, name, "odd")
    schedule = [Planned(Fault("odd", "cart"), 0, 0), Planned(Fault("sound", "cart"), 0.01, 0.01)]
    async with aiohttp.ClientSession() as http:
        site = Site(Layout("x", tmp_path), StackState("x"), http)
        failed, went_on = await carry_out(site, schedule, lambda _: None)
    assert str(error) in failed.failure
    assert odd.ended
    assert failed.as_dict(0, None, None)["failure"] == failed.failure
    assert (went_on.bite, went_on.failure) == ("it bit", "")
    left = [schedule[0].fault] if step == "end" else []  # for who heals
    assert [entry.fault for entry in Journal(site.layout.faults).entries()] == left


async def test_a_broker_that_hangs_up_is_one_of_the_failures_that_are_foreseen(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(KINDS, "odd", Odd("bite", AMQPConnectionError("gone")))
    monkeypatch.setitem(FAMILY, "odd", "odd")
    async with aiohttp.ClientSession() as http:
        site = Site(Layout("x", tmp_path), StackState("x"), http)
        [outcome] = await carry_out(site, [Planned(Fault("odd", "cart"), 0, 0)], lambda _: None)
    assert (outcome.bite, outcome.failure) == ("", "")


class Watched(Odd):
    """Has something run beside it, which fails or goes on."""

    async def begin(self, site: Site, fault: Fault) -> None:
        site.beside(fault.id, self.watch())
        await asyncio.sleep(0)

    async def watch(self) -> None:
        self.fail("watch")
        await asyncio.Event().wait()

    async def end(self, site: Site, fault: Fault) -> None:
        await site.let_go(fault.id)


@pytest.mark.parametrize("error", [None, ConnectionResetError("the server is gone")])
async def test_what_runs_beside_a_fault_ends_with_it_and_is_heard_of_if_it_failed(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception | None
) -> None:
    monkeypatch.setitem(KINDS, "odd", Watched("watch", error))
    monkeypatch.setitem(FAMILY, "odd", "odd")
    async with aiohttp.ClientSession() as http:
        site = Site(Layout("x", tmp_path), StackState("x"), http)
        [outcome] = await carry_out(site, [Planned(Fault("odd", "cart"), 0, 0)], lambda _: None)
    told = "what ran beside it failed: ConnectionResetError: the server is gone"
    assert (outcome.bite, outcome.failure) == ("it bit", told if error else "")
    assert len(asyncio.all_tasks()) == 1
