"""Tests the plan, its application and the check at a start with a real broker whose topology differs."""

from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest

from contracts.naming import MARKETPLACE
from infra.stack import PrivateBroker
from marketplace_runtime.topology import TopologyError, Wiring, apply, definitions, format_plan
from marketplace_runtime.topology.declaration import Definitions
from marketplace_runtime.topology.plan import Remedy

WIRINGS = [Wiring("north", {}), Wiring("south", {"parcels": ["north.sent.v1"], "returns": ["north.returned.v1"]})]
WANTED = definitions(WIRINGS, {"north": "n-secret", "south": "s-secret"}, MARKETPLACE)
QUEUES = [each["name"] for each in WANTED["queues"] if each["name"] != "marketplace.log"]


class Management:
    """An administrator's client of the management API."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session, self.url = session, url

    async def do(self, method: str, path: str, body: Any = None, *, missing: bool = False) -> None:
        async with self._session.request(method, f"{self.url}/api/{path}", json=body) as answer:
            assert answer.status < 300 or (missing and answer.status == 404), await answer.text()

    async def differs(self, wanted: Definitions = WANTED) -> list[tuple[str, Remedy]]:
        return [(str(each), each.remedy) for each in await apply.compare(self.url, wanted)]

    async def apply(self, wanted: Definitions = WANTED) -> list[str]:
        return [str(each) for each in await apply.apply(self.url, wanted)]


@pytest.fixture
async def management(broker: PrivateBroker) -> AsyncIterator[Management]:
    """Provide a broker with the complete wanted topology."""
    async with aiohttp.ClientSession() as session:
        management = Management(session, broker.urls.management)
        await apply.declare(management.url, WANTED)
        yield management
        for name in QUEUES:
            await management.do("DELETE", f"queues/%2F/{name}", missing=True)
        await management.do("DELETE", "policies/%2F/theirs", missing=True)


async def test_a_declared_topology_does_not_differ_and_can_be_declared_again(management: Management) -> None:
    assert await management.differs() == []
    await apply.declare(management.url, WANTED)
    assert await management.apply() == []


async def test_a_queue_of_the_wrong_type_needs_a_new_queue(management: Management) -> None:
    await management.do("DELETE", "queues/%2F/south.parcels")
    await management.do("PUT", "queues/%2F/south.parcels", {"durable": True, "arguments": {"x-queue-type": "classic"}})
    await management.do("DELETE", "policies/%2F/south")
    found = await management.differs()
    assert ("binding north.events -> queue south.parcels north.sent.v1: missing", Remedy.SAFE) in found
    [(wrong, remedy)] = [each for each in found if each[0].startswith("queue ")]
    assert "'classic'" in wrong
    assert remedy is Remedy.NEW_QUEUE
    with pytest.raises(TopologyError) as refused:
        await apply.declare(management.url, WANTED)
    assert f"needs a new queue:\n  {wrong}" in str(refused.value)
    assert await management.differs() == found, "a refused start changed the topology"
    assert await management.apply() == [wrong]


async def test_a_missing_binding_is_added_even_at_a_start(management: Management) -> None:
    await management.do("DELETE", "bindings/%2F/e/north.events/q/south.parcels/north.sent.v1")
    missing = ("binding north.events -> queue south.parcels north.sent.v1: missing", Remedy.SAFE)
    assert await management.differs() == [missing]
    assert await management.apply() == []
    await management.do("DELETE", "queues/%2F/south.returns")
    await apply.declare(management.url, WANTED)
    assert await management.differs() == []


@pytest.mark.parametrize("key", ["north.lost.v1", "#", "with space/and%slash"])
async def test_an_extra_binding_is_removed_by_apply_but_not_at_a_start(management: Management, key: str) -> None:
    """The starting service may have an older table than the one that wants the binding."""
    await management.do("POST", "bindings/%2F/e/north.events/q/south.parcels", {"routing_key": key})
    await management.do("POST", "bindings/%2F/e/north.events/e/south.dead", {"routing_key": key})
    assert {remedy for _, remedy in await management.differs()} == {Remedy.SAFE}
    with pytest.raises(TopologyError, match="not wanted any more"):
        await apply.declare(management.url, WANTED)
    assert len(await management.differs()) == 2
    assert await management.apply() == []
    assert await management.differs() == []


async def test_bindings_of_other_applications_are_left_unchanged(management: Management) -> None:
    await management.do("PUT", "queues/%2F/their.own", {"durable": True})
    await management.do("POST", "bindings/%2F/e/north.events/q/their.own", {"routing_key": "#"})
    assert await management.differs() == []
    await management.do("DELETE", "queues/%2F/their.own")


async def test_changed_policies_and_permissions_are_restored(management: Management) -> None:
    policy = {"pattern": "^south", "definition": {"delivery-limit": 5}, "apply-to": "queues", "priority": 0}
    await management.do("PUT", "policies/%2F/south", policy)
    await management.do("PUT", "permissions/%2F/south", {"configure": ".*", "write": ".*", "read": ".*"})
    found = await management.differs()
    assert {text.partition(":")[0]: remedy for text, remedy in found} == {
        "policy south": Remedy.POLICY,
        "permission south": Remedy.SAFE,
    }
    assert await management.apply() == []


async def test_a_service_user_with_the_administrator_tag_is_reported(management: Management) -> None:
    await management.do("PUT", "users/south", {"password": "x", "tags": "administrator"})
    [(text, remedy)] = await management.differs()
    assert "administrator" in text
    assert remedy is Remedy.SAFE
    assert await management.apply() == []


async def test_another_policy_that_overrides_ours_must_be_removed_by_hand(management: Management) -> None:
    policy = {"pattern": "parcels", "definition": {"max-length": 5}, "apply-to": "queues", "priority": 9}
    await management.do("PUT", "policies/%2F/theirs", policy)
    left = ["policy theirs: takes policy south out of effect for south.parcels"]
    assert await management.apply() == left
    with pytest.raises(TopologyError, match="by hand"):
        await apply.declare(management.url, WANTED)


async def test_the_topology_of_a_new_service_is_missing_and_safe_to_add(management: Management) -> None:
    passwords = dict.fromkeys(("north", "south", "west"), "x")
    found = await apply.compare(
        management.url, definitions([*WIRINGS, Wiring("west", {"parcels": ["north.sent.v1"]})], passwords, MARKETPLACE)
    )
    assert {each.label for each in found} >= {"user west", "permission west", "queue west.parcels", "policy west"}
    assert all(each.is_missing and each.can_be_declared for each in found)
    assert format_plan(found).startswith("safe:")
