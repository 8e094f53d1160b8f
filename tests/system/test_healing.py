"""`heal` and restarts end every fault of any command, and the audit counts none as still in effect."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from infra.lab.audit.record import read_record
from infra.lab.chaos import Site
from tests.system.marketplace import ROOT, Marketplace, Person, until

HELD = """
select count(*) from pg_locks
where relation = 'messaging.outbox_pending'::regclass and mode = 'AccessExclusiveLock' and granted
"""


@asynccontextmanager
async def holding(marketplace: Marketplace, site: Site) -> AsyncIterator["subprocess.Popen[str]"]:
    """Run a command that holds a lock in the cart's database for ten minutes."""
    ours = [sys.executable, "-m", "infra.cli", "--stack", marketplace.name]
    command = subprocess.Popen(
        [*ours, "fault", "add", "held-lock", "cart-db", "--for", "600"],
        cwd=ROOT,
        env=marketplace.environment,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        await until(lambda: is_held(site), 30)
        yield command
    finally:
        command.kill()
        await asyncio.to_thread(command.wait, 20)


async def is_held(site: Site) -> bool:
    async with site.database("cart-db") as database:
        return bool(await database.fetchval(HELD))


def faults_in_effect(marketplace: Marketplace) -> list[str]:
    """Return the faults that the audit considers in effect: of parts and of held locks."""
    record = read_record(marketplace.home / marketplace.name / "record.jsonl")
    return [f"{fault.kind} {fault.part}" for fault in record.faults if fault.ended is None]


@pytest.mark.parametrize("verb", ["heal", pytest.param("rm", marks=pytest.mark.slow)])
async def test_a_lock_held_by_another_command_is_released(marketplace: Marketplace, site: Site, verb: str) -> None:
    async with holding(marketplace, site) as command:
        fault_id = marketplace.command("fault", "ls").stdout.splitlines()[-1].split()[0]
        marketplace.command(*({"heal": ("heal",), "rm": ("fault", "rm", fault_id)}[verb]))
        assert not await is_held(site)
        output, _ = await asyncio.to_thread(command.communicate, timeout=20)
        assert "sessions waited" in output or "No effect was observed" in output
    assert "held-lock" not in marketplace.command("fault", "ls").stdout


async def test_a_lock_of_a_killed_command_is_gone_and_heal_removes_its_record(
    marketplace: Marketplace, site: Site
) -> None:
    async with holding(marketplace, site) as command:
        command.send_signal(signal.SIGKILL)
        await asyncio.to_thread(command.wait, 20)
        assert "held-lock of cart-db undone" in marketplace.command("heal").stdout
        assert not await is_held(site)


async def test_closing_the_terminal_undoes_the_fault_of_its_command(marketplace: Marketplace, site: Site) -> None:
    async with holding(marketplace, site) as command:
        command.send_signal(signal.SIGHUP)
        await asyncio.to_thread(command.wait, 20)
        assert not await is_held(site)
        assert "held-lock" not in marketplace.command("fault", "ls").stdout


@pytest.mark.slow
async def test_a_read_only_database_takes_writes_after_heal_restarts_it(
    marketplace: Marketplace, site: Site, customer: Person, product_id: str
) -> None:
    marketplace.command("fault", "add", "read-only", "cart-db")
    marketplace.command("kill", "cart-db")
    output = marketplace.command("heal").stdout
    assert "cart-db started (it was killed)" in output
    assert "read-only of cart-db undone" in output

    async def taken() -> bool:
        path = f"/carts/{customer.subject}/items/{product_id}"
        return (await customer.request("PUT", "cart", path, {"quantity": 1}))[0] == 200

    await until(taken, 20)  # services have to reconnect
    order_id = await customer.check_out(product_id)
    await customer.order(order_id, "delivered", within_s=60)


@pytest.mark.slow
async def test_heal_restores_a_link_before_it_starts_the_service_that_needs_it(marketplace: Marketplace) -> None:
    marketplace.command("fault", "add", "black-hole", "cart:db")
    marketplace.command("kill", "cart")
    output = marketplace.command("heal").stdout
    assert "cart.1 started (it was killed)" in output
    assert "black-hole of cart:db undone" in output
    assert {part["state"] for part in marketplace.status()["parts"].values()} == {"ready"}


@pytest.mark.slow
async def test_the_audit_considers_only_faults_that_have_not_ended(marketplace: Marketplace) -> None:
    marketplace.command("kill", "notifications.1")
    marketplace.command("pause", "delivery")
    assert faults_in_effect(marketplace) == ["kill notifications.1", "pause delivery"]
    marketplace.command("heal")
    assert faults_in_effect(marketplace) == []
    marketplace.command("pause", "delivery")
    marketplace.command("restart", "delivery")
    assert faults_in_effect(marketplace) == []
