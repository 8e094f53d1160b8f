"""Every family of faults affects the real stack, is undone, and loses nothing."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from infra.lab.audit.record import Fault as Broken
from infra.lab.audit.record import read_record
from infra.lab.chaos import Fault, Site, observe_effect
from tests.system.faults import fault_during
from tests.system.marketplace import ROOT, Marketplace, Person, Visit, until


async def until_effective(site: Site, fault: Fault) -> None:
    async def is_effective() -> bool:
        return bool(await observe_effect(site, fault))

    await until(is_effective, 30)


async def test_a_paused_service_does_not_answer_and_continues_later(
    site: Site, customer: Person, product_id: str
) -> None:
    async with fault_during(site, "pause", "checkout"):
        order_id = await customer.check_out(product_id)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(1):
                await customer.request("GET", "checkout", "/orders")
    await customer.order(order_id, "delivered", within_s=60)


async def test_the_other_provider_charges_when_one_fails(
    site: Site, visit: Visit, customer: Person, product_id: str
) -> None:
    async with fault_during(site, "errors", "payments-a", error_rate=1.0):
        order_id = await customer.check_out(product_id)
        await customer.order(order_id, "confirmed", "dispatched", "delivered", within_s=60)
    assert "capture" in await visit.ledger("payments/b", order_id)


@pytest.mark.parametrize(
    "kind", ["reset", *(pytest.param(each, marks=pytest.mark.slow) for each in ("black-hole", "half-open"))]
)
async def test_a_lost_link_to_the_broker_is_restored(site: Site, customer: Person, product_id: str, kind: str) -> None:
    async with fault_during(site, kind, "checkout:broker") as fault:
        order_id = await customer.check_out(product_id)
        await until_effective(site, fault)
    await customer.order(order_id, "delivered", within_s=60)


async def test_a_broker_without_memory_delays_orders_and_loses_none(
    site: Site, customer: Person, product_id: str
) -> None:
    async with fault_during(site, "memory-alarm", "broker"):
        order_id = await customer.check_out(product_id)
        assert (await customer.request("GET", "checkout", f"/orders/{order_id}"))[0] == 404
    await customer.order(order_id, "delivered", within_s=60)


@pytest.mark.parametrize(
    "kind",
    ["closed-connections", pytest.param("lost-consumers", marks=pytest.mark.slow)],  # it takes 10 s to detect
)
async def test_connections_and_consumers_that_the_broker_drops_are_reopened(
    site: Site, customer: Person, product_id: str, kind: str
) -> None:
    async with fault_during(site, kind, "checkout"):
        pass
    order_id = await customer.check_out(product_id)
    await customer.order(order_id, "delivered", within_s=60)


async def test_customers_get_503_while_a_database_takes_no_writes(
    site: Site, customer: Person, product_id: str
) -> None:
    path = f"/carts/{customer.subject}/items/{product_id}"

    async def answer_is(status: int) -> bool:
        return (await customer.request("PUT", "cart", path, {"quantity": 1}))[0] == status

    assert await answer_is(200)
    async with fault_during(site, "read-only", "cart-db"):
        await until(lambda: answer_is(503), 10)
    await until(lambda: answer_is(200), 10)


@pytest.mark.parametrize("kind", ["terminated-sessions", "exhausted-connections", "held-lock"])
async def test_a_database_that_refuses_or_waits_delays_orders_and_loses_none(
    site: Site, customer: Person, product_id: str, kind: str
) -> None:
    async with fault_during(site, kind, "checkout-db") as fault:
        order_id = await customer.check_out(product_id)
        await until_effective(site, fault)
    await customer.order(order_id, "delivered", within_s=60)


async def test_duplicated_delayed_and_reordered_messages_change_nothing(
    site: Site, visit: Visit, customer: Person, product_id: str
) -> None:
    async with fault_during(site, "delayed", "checkout") as fault, fault_during(site, "reordered", "catalog"):
        order_ids = [await customer.check_out(product_id, quantity) for quantity in (1, 2, 3, 4)]
        await until_effective(site, fault)
        await customer.order(order_ids[0], "confirmed", "dispatched", "delivered", within_s=60)
    async with fault_during(site, "duplicated", "checkout"):
        pass
    for order_id in order_ids:
        await customer.order(order_id, "delivered", within_s=60)
        kinds = await visit.ledger("payments/a", order_id) + await visit.ledger("payments/b", order_id)
        assert kinds.count("capture") == 1


@pytest.mark.parametrize("kind", ["malformed", "poison"])
async def test_unreadable_messages_are_dead_lettered_and_stop_no_other(
    site: Site, visit: Visit, customer: Person, product_id: str, kind: str
) -> None:
    operator = await visit.person("operator")

    async def dead() -> int:
        return sum([(await operator.get(service, "/ops/counts"))["dead"] for service in site.services])

    before = await dead()
    async with fault_during(site, kind, "cart"):
        pass

    async def more() -> bool:
        return await dead() > before

    await until(more, 30)
    order_id = await customer.check_out(product_id)
    await customer.order(order_id, "delivered", within_s=60)


@pytest.mark.slow
def test_a_burst_adds_customers(marketplace: Marketplace) -> None:
    output = marketplace.command("fault", "add", "burst", "traffic", "buyers=30", "--for", "4").stdout
    accepted = int(output.split()[0])
    assert "orders accepted" in output
    record = (marketplace.home / marketplace.name / "record.jsonl").read_text().splitlines()
    assert sum('"accept"' in line for line in record) >= accepted > 10


def slowing(marketplace: Marketplace) -> "subprocess.Popen[bytes]":
    """Start a command that makes provider B slow for ten minutes."""
    command = [sys.executable, "-m", "infra.cli", "--stack", marketplace.name, "fault", "add"]
    return subprocess.Popen(
        [*command, "slow", "payments-b", "latency_ms=700", "--for", "600"],
        cwd=ROOT,
        env=marketplace.environment,
        stdout=subprocess.DEVNULL,
    )


async def latency(visit: Visit) -> float:
    return float((await visit.outside("GET", "/dials/payments-b"))["latency_ms"])


async def ended_by(number: signal.Signals, command: "subprocess.Popen[bytes]", visit: Visit) -> None:
    """Send the command a signal as soon as its fault is in effect."""

    async def slow() -> bool:
        return await latency(visit) == 700

    try:
        await until(slow, 30)
    finally:
        os.kill(command.pid, number)
        await asyncio.to_thread(command.wait, 20)


@pytest.mark.parametrize("number", [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)])
async def test_a_fault_ends_with_its_command(marketplace: Marketplace, visit: Visit, number: signal.Signals) -> None:
    await ended_by(number, slowing(marketplace), visit)
    assert await latency(visit) == 0
    assert "payments-b" not in marketplace.command("fault", "ls").stdout


@pytest.mark.slow  # test_healing.py tests a killed command, too
async def test_heal_undoes_the_faults_of_a_killed_command(marketplace: Marketplace, visit: Visit) -> None:
    await ended_by(signal.SIGKILL, slowing(marketplace), visit)
    assert await latency(visit) == 700
    assert "payments-b" in marketplace.command("fault", "ls").stdout
    marketplace.command("pause", "notifications")
    output = marketplace.command("heal").stdout
    assert "slow of payments-b undone" in output
    assert "notifications.1 started (it was paused)" in output
    assert await latency(visit) == 0
    assert {part["state"] for part in marketplace.status()["parts"].values()} == {"ready"}
    assert "Nothing was wrong." in marketplace.command("heal").stdout
    record = (marketplace.home / marketplace.name / "record.jsonl").read_text().splitlines()
    noted = [json.loads(line) for line in record[-2:]]  # the other record: notifications were resumed
    assert any({"did": "fault", "kind": "slow", "part": "payments-b"}.items() <= line.items() for line in noted)


@pytest.mark.slow
def test_a_second_fault_at_the_same_link_is_refused(marketplace: Marketplace) -> None:
    marketplace.command("fault", "add", "latency", "cart:db")
    try:
        refused = marketplace.attempt("fault", "add", "jitter", "cart:db", "--for", "1")
        assert refused.returncode == 1
        assert "latency is in effect at cart:db already" in refused.stderr
        assert "jitter" not in marketplace.command("fault", "ls").stdout
    finally:
        marketplace.command("heal")


def recorded(marketplace: Marketplace, part: str) -> Broken:
    """Return the latest fault of this part in the record."""
    faults = read_record(marketplace.home / marketplace.name / "record.jsonl").faults
    return [fault for fault in faults if fault.part == part][-1]


@pytest.mark.slow
def test_the_fault_of_a_part_ends_when_it_is_started_or_removed(marketplace: Marketplace) -> None:
    marketplace.command("fault", "add", "kill", "notifications")
    marketplace.command("start", "notifications")
    assert "notifications" not in marketplace.command("fault", "ls").stdout
    assert recorded(marketplace, "notifications").ended is not None
    marketplace.command("scale", "notifications=2")
    marketplace.command("kill", "notifications.2")
    assert recorded(marketplace, "notifications.2").ended is None
    marketplace.command("scale", "notifications=1")
    assert recorded(marketplace, "notifications.2").ended is not None


@pytest.mark.slow  # test_healing.py tests that an audit knows ended faults
async def test_the_audit_considers_a_fault_still_in_effect(
    marketplace: Marketplace, visit: Visit, customer: Person, product_id: str, tmp_path: Path
) -> None:
    verdict = tmp_path / "verdict.json"

    async def mailed_twice() -> bool:
        return (await visit.mails(order_id)).count("order-confirmed") > 1

    marketplace.command("fault", "add", "lost-answers", "mail", "lost_answer_rate=1")
    try:
        order_id = await customer.check_out(product_id)
        await until(mailed_twice, 60)
        marketplace.attempt("audit", "--settle", "1", "--json", str(verdict))
    finally:
        marketplace.command("heal")
    await customer.order(order_id, "delivered", within_s=60)
    found = json.loads(verdict.read_text())
    assert "no-mail-comes-twice" in found["checked"]
    repeated = [each["evidence"] for each in found["violations"] if each["invariant"] == "no-mail-comes-twice"]
    assert order_id not in {each["about"] for each in repeated}
