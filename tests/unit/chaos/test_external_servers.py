"""Faults of servers that are not processes of this machine: containers, and servers given by address."""

from pathlib import Path
from typing import Any

import aiohttp
import pytest

from infra.lab.chaos import Fault, Journal, begin, observe_effect
from infra.lab.chaos.site import Site
from infra.stack import Layout, LocalError, StackState


class FakeSite(Site):
    """A site with a fake supervisor, whose parts have no process ids."""

    states: dict[str, str]

    async def send_command(self, do: str, part: str) -> None:
        self.states[part] = {"kill": "killed", "pause": "paused"}[do]

    async def parts(self) -> dict[str, Any]:
        return {name: {"state": state, "pid": None} for name, state in self.states.items()}


def site(tmp_path: Path, http: aiohttp.ClientSession, given: list[str], **states: str) -> FakeSite:
    watched = FakeSite(Layout("s", tmp_path), StackState("s", given=given), http)
    watched.states = states
    return watched


async def test_killing_a_running_container_bites_and_killing_a_stopped_one_does_not(tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http:
        here = site(tmp_path, http, [], broker="ready", outside="stopped")
        await begin(here, broker := Fault("kill", "broker"))
        await begin(here, outside := Fault("kill", "outside"))

        assert await observe_effect(here, broker) == "broker: it is killed"
        assert await observe_effect(here, outside) == ""


@pytest.mark.parametrize(("kind", "part"), [("kill", "broker"), ("memory-alarm", "broker"), ("lost-consumers", "cart")])
async def test_a_given_server_is_not_broken_and_leaves_nothing_to_undo(kind: str, part: str, tmp_path: Path) -> None:
    async with aiohttp.ClientSession() as http:
        here = site(tmp_path, http, ["broker"], broker="ready", cart="ready")
        with pytest.raises(LocalError, match="needs a broker that the stack runs itself"):
            await begin(here, Fault(kind, part))

    assert here.states == {"broker": "ready", "cart": "ready"}
    assert Journal(here.layout.faults).entries() == []
