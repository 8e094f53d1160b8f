"""The topology that the broker must have, and the differences to what it has."""

import copy
import re
from typing import Any

import pytest

from contracts.naming import MARKETPLACE
from marketplace_runtime.topology import Wiring, definitions, format_plan
from marketplace_runtime.topology.declaration import NO_DELIVERY_LIMIT, Definitions
from marketplace_runtime.topology.plan import Remedy, differences

SERVICES = [
    Wiring("cart", {}),
    Wiring("checkout", {"carts": ["cart.cart-checked-out.v1"], "stock": ["catalog.stock-reserved.v1"]}),
    Wiring("catalog", {"orders": ["checkout.order-placed.v1", "checkout.order-cancelled.v1"]}),
]


def wanted() -> Definitions:
    return definitions(SERVICES, {each.service: "secret" for each in SERVICES}, MARKETPLACE)


def named(found: Definitions, kind: str) -> dict[str, Any]:
    return {each.get("name") or each["user"]: each for each in found[kind]}


def test_every_service_has_an_exchange_a_dead_letter_queue_and_its_subscriptions() -> None:
    found = wanted()
    assert set(named(found, "exchanges")) == {
        f"{s}.{x}" for s in ("cart", "checkout", "catalog") for x in ("events", "dead")
    }
    assert set(named(found, "queues")) == {
        MARKETPLACE.log_stream,
        *("cart.dead", "checkout.dead", "catalog.dead"),
        *("checkout.carts", "checkout.stock", "catalog.orders"),
    }


def test_a_queue_is_bound_to_the_publishers_of_its_events_and_the_log_to_everything() -> None:
    bound = {(each["source"], each["routing_key"], each["destination"]) for each in wanted()["bindings"]}
    assert ("cart.events", "cart.cart-checked-out.v1", "checkout.carts") in bound
    assert ("checkout.events", "checkout.order-cancelled.v1", "catalog.orders") in bound
    assert {source for source, key, queue in bound if (key, queue) == ("#", MARKETPLACE.log_stream)} == {
        "cart.events",
        "checkout.events",
        "catalog.events",
    }


def test_queues_are_replicated_and_have_no_delivery_limit() -> None:
    found = wanted()
    queues = [each for each in found["queues"] if each["name"] != MARKETPLACE.log_stream]
    assert {each["arguments"]["x-queue-type"] for each in queues} == {"quorum"}
    for queue in queues:
        [policy] = [each for each in found["policies"] if re.search(each["pattern"], queue["name"])]
        assert policy["definition"]["delivery-limit"] == NO_DELIVERY_LIMIT
        assert "max-length" not in policy["definition"]


@pytest.mark.parametrize(
    ("user", "right", "name", "allowed"),
    [
        ("cart", "write", "cart.events", True),
        ("cart", "write", "cart.dead", True),
        ("cart", "write", "checkout.events", False),
        ("cart", "write", "cartxevents", False),
        ("cart", "write", "amq.topic", False),
        ("cart", "write", "amq.default", False),
        ("checkout", "read", "checkout.carts", True),
        ("checkout", "read", "checkout.dead", True),
        ("checkout", "read", "catalog.orders", False),
        ("checkout", "read", "checkout.carts.more", False),
        ("checkout", "read", MARKETPLACE.log_stream, True),
        ("checkout", "read", "xmarketplace.log", False),
        ("checkout", "read", "checkout.marketplace.log", False),
        ("checkout", "write", MARKETPLACE.log_stream, False),
        ("checkout", "configure", MARKETPLACE.log_stream, False),
        ("cart", "read", MARKETPLACE.log_stream, False),
        ("cart", "read", "cart.dead", True),
        ("checkout", "configure", "checkout.carts", False),
    ],
)
def test_a_service_may_only_access_its_own_resources(user: str, right: str, name: str, allowed: bool) -> None:
    pattern = named(wanted(), "permissions")[user][right]
    assert bool(re.search(pattern, name)) is allowed


def test_the_auditor_may_only_read_the_log() -> None:
    passwords = {each.service: "secret" for each in SERVICES} | {MARKETPLACE.auditor: "secret"}
    found = definitions(SERVICES, passwords, MARKETPLACE)
    rights = named(found, "permissions")[MARKETPLACE.auditor]
    assert (rights["configure"], rights["write"]) == ("^$", "^$")
    readable = [name for name in named(found, "queues") if re.search(rights["read"], name)]
    assert readable == [MARKETPLACE.log_stream]
    assert [user["name"] for user in found["users"] if user["tags"]] == [MARKETPLACE.auditor]


def test_a_password_is_salted_and_not_readable() -> None:
    one, two = named(wanted(), "users")["cart"], named(wanted(), "users")["cart"]
    assert one["password_hash"] != two["password_hash"]
    assert "password" not in one
    assert one["tags"] == []


def test_a_broker_with_the_wanted_topology_has_no_differences() -> None:
    assert differences(wanted(), wanted()) == []


@pytest.mark.parametrize("kind", ["users", "exchanges", "queues", "bindings", "policies", "permissions"])
def test_a_missing_resource_is_reported(kind: str) -> None:
    live = wanted()
    gone = live[kind].pop()
    [found] = differences(wanted(), live)
    line = str(found)
    assert found.is_missing
    assert found.can_be_declared
    assert (gone.get("name") or gone.get("user") or gone["destination"]) in line


@pytest.mark.parametrize(
    ("kind", "part", "value", "remedy"),
    [
        ("users", "tags", ["administrator"], Remedy.SAFE),
        ("exchanges", "type", "direct", Remedy.NEW_QUEUE),
        ("queues", "arguments", {"x-queue-type": "classic"}, Remedy.NEW_QUEUE),
        ("queues", "durable", False, Remedy.NEW_QUEUE),
        ("policies", "definition", {"delivery-limit": 20}, Remedy.POLICY),
        ("permissions", "configure", ".*", Remedy.SAFE),
    ],
)
def test_a_changed_resource_is_reported_with_both_values(kind: str, part: str, value: object, remedy: Remedy) -> None:
    live = copy.deepcopy(wanted())
    live[kind][-1][part] = value
    [found] = differences(wanted(), live)
    assert repr(value) in str(found)
    assert "wanted" in str(found)
    assert found.remedy is remedy


def test_an_obsolete_binding_is_reported_and_foreign_resources_are_not() -> None:
    live = wanted()
    extra = {**live["bindings"][-1], "routing_key": "catalog.product-listed.v1"}
    foreign = {**extra, "destination": "somebody.elses"}
    live["bindings"] += [extra, foreign]
    live["queues"].append({**live["queues"][-1], "name": "somebody.elses"})
    [found] = differences(wanted(), live)
    assert str(found).endswith("not wanted any more")
    assert found.surplus == extra
    assert not found.can_be_declared


def test_a_binding_to_an_exchange_with_a_queue_s_name_is_a_different_binding() -> None:
    live = wanted()
    [dead] = [each for each in live["bindings"] if each["destination"] == "cart.dead"]
    live["bindings"].append({**dead, "source": "catalog.events", "destination_type": "exchange"})
    [found] = differences(wanted(), live)
    assert "exchange cart.dead" in str(found)


@pytest.mark.parametrize(
    ("pattern", "priority", "applies", "hit"),
    [
        ("^checkout", 0, "queues", ["checkout.carts, checkout.stock", "checkout.dead"]),
        ("carts$", 5, "all", ["checkout.carts"]),
        ("carts$", 5, "quorum_queues", ["checkout.carts"]),
        ("carts$", 5, "exchanges", []),
        ("carts$", -1, "queues", []),
        ("^others", 5, "queues", []),
    ],
)
def test_a_foreign_policy_that_overrides_ours_is_reported(
    pattern: str, priority: int, applies: str, hit: list[str]
) -> None:
    live = wanted()
    live["policies"].append({"name": "theirs", "pattern": pattern, "priority": priority, "apply-to": applies})
    found = differences(wanted(), live)
    assert [str(each).rpartition(" for ")[2] for each in found] == hit
    assert {each.remedy for each in found} <= {Remedy.BY_HAND}


def test_a_plan_has_a_remedy_for_each_kind_of_difference() -> None:
    live = copy.deepcopy(wanted())
    live["queues"][-1]["arguments"] = {}
    live["policies"].pop()
    gone = live["bindings"].pop()
    text = format_plan(differences(wanted(), live))
    assert [line for line in text.splitlines() if not line.startswith(" ")] == [
        "safe:",
        "policy only:",
        "needs a new queue:",
    ]
    assert gone["destination"] in text
    assert "topology apply" in text
    assert format_plan([]) == "Nothing differs."
