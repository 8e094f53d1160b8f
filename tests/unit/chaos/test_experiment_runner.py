"""A fault that fails to begin, bite or end is reported, and does not stop the others."""

import asyncio
from collections.abc import Sequence
from pathlib import Path

import aiohttp
import pytest
from pika.exceptions import AMQPConnectionError

from infra.lab.chaos import Fault, Journal, Site
from infra.lab.chaos.experiment_runner import carry_out
from infra.lab.chaos.fault import Kind, ResourceNeeds
from infra.lab.chaos.kinds import FAMILY, KINDS
from infra.lab.chaos.schedule import PlannedFault
from infra.stack import Layout, StackState


class FailingKind(Kind):
    """A kind of fault that fails in one of its steps."""

    name, about, is_momentary = "odd", "It fails.", True

    def __init__(self, fails_at: str = "", error: Exception | None = None) -> None:
        self.fails_at, self.error, self.ended = fails_at, error, 0

    def parts(self, services: Sequence[str]) -> list[str]:
        return ["cart"]

    def needed_resources(self, part: str) -> ResourceNeeds:
        return ResourceNeeds()

    async def begin(self, site: Site, fault: Fault) -> None:
        self.fail("begin")

    async def observe_effect(self, site: Site, fault: Fault) -> str:
        self.fail("bite")
        return "it bit"

    async def end(self, site: Site, fault: Fault) -> None:
        self.ended += 1
        self.fail("end")

    def fail(self, step: str) -> None:
        if step == self.fails_at and self.error:
            raise self.error


@pytest.mark.parametrize("step", ["begin", "bite", "end"])
@pytest.mark.parametrize("error", [KeyError("routed"), ValueError("no number"), RuntimeError("unexpected")])
async def test_after_any_failure_of_a_fault_the_others_continue(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, step: str, error: Exception
) -> None:
    odd, sound = FailingKind(step, error), FailingKind()
    for name, kind in {"odd": odd, "sound": sound}.items():
        monkeypatch.setitem(KINDS, name, kind)
        monkeypatch.setitem(FAMILY, name, "odd")
    schedule = [PlannedFault(Fault("odd", "cart"), 0, 0), PlannedFault(Fault("sound", "cart"), 0.01, 0.01)]
    async with aiohttp.ClientSession() as http:
        site = Site(Layout("x", tmp_path), StackState("x"), http)
        failed, continued = await carry_out(site, schedule, lambda _: None)
    assert str(error) in failed.failure
    assert odd.ended
    assert failed.as_dict(0, None, None)["failure"] == failed.failure
    assert (continued.effect, continued.failure) == ("it bit", "")
    left = [schedule[0].fault] if step == "end" else []  # remains for `fault heal`
    assert [entry.fault for entry in Journal(site.layout.faults).entries()] == left


async def test_a_closed_broker_connection_means_that_the_fault_did_not_bite(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(KINDS, "odd", FailingKind("bite", AMQPConnectionError("gone")))
    monkeypatch.setitem(FAMILY, "odd", "odd")
    async with aiohttp.ClientSession() as http:
        site = Site(Layout("x", tmp_path), StackState("x"), http)
        [outcome] = await carry_out(site, [PlannedFault(Fault("odd", "cart"), 0, 0)], lambda _: None)
    assert (outcome.effect, outcome.failure) == ("", "")


class KindWithTask(FailingKind):
    """A kind of fault with a task beside it, which fails or continues."""

    async def begin(self, site: Site, fault: Fault) -> None:
        site.run_in_background(fault.id, self.run_beside())
        await asyncio.sleep(0)

    async def run_beside(self) -> None:
        self.fail("watch")
        await asyncio.Event().wait()

    async def end(self, site: Site, fault: Fault) -> None:
        await site.release(fault.id)


@pytest.mark.parametrize("error", [None, ConnectionResetError("the server is gone")])
async def test_a_task_beside_a_fault_ends_with_it_and_its_failure_is_reported(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, error: Exception | None
) -> None:
    monkeypatch.setitem(KINDS, "odd", KindWithTask("watch", error))
    monkeypatch.setitem(FAMILY, "odd", "odd")
    before = asyncio.all_tasks()  # servers of other tests may share the loop
    async with aiohttp.ClientSession() as http:
        site = Site(Layout("x", tmp_path), StackState("x"), http)
        [outcome] = await carry_out(site, [PlannedFault(Fault("odd", "cart"), 0, 0)], lambda _: None)
    message = "its background task failed: ConnectionResetError: the server is gone"
    assert (outcome.effect, outcome.failure) == ("it bit", message if error else "")
    assert asyncio.all_tasks() <= before
