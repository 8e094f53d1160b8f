"""A newly scaffolded service joins a stack that is up, and works with all commands, without any edit in `infra`."""

import os
import tempfile
from pathlib import Path

import pytest

from tests.system.marketplace import Marketplace, Visit, until
from tests.unit.scaffold.copies import a_copy, run


@pytest.mark.slow
@pytest.mark.timeout(400)
async def test_a_new_service_runs_beside_the_others_and_can_be_killed() -> None:
    with tempfile.TemporaryDirectory(prefix="marketplace-new-") as home:
        Path(home).chmod(0o711)
        checkout = a_copy(Path(home))
        hears = ["--hears", "checkout.order-confirmed", "--subscribes", "checkout.order-placed"]
        stack = Marketplace(Path(home), f"new-{os.getpid()}", checkout)
        try:
            stack.command("up", "-d")
            before = stack.status()["parts"]
            run(checkout, "infra.cli", "new", "service", "recommendations", *hears, "--http")
            run(checkout, "mypy")
            run(checkout, "pytest", "-q", "-p", "no:cacheprovider", "tests/integration/recommendations")
            assert "recommendations added" in stack.command("up", "-d").stdout
            await _shop(stack)
            now = stack.status()["parts"]
            assert {name: now[name]["pid"] for name in before} == {name: each["pid"] for name, each in before.items()}
        finally:
            stack.command("down", "--volumes")


async def _shop(stack: Marketplace) -> None:
    async with Visit(stack) as visit:
        _, product_id = await visit.product()
        customer = await visit.customer()
        order_id = await customer.check_out(product_id)

        async def recommended() -> bool:
            status, known = await customer.request("GET", "recommendations", f"/recommendations/{order_id}")
            return status == 200 and known["events"] == 2

        await until(recommended, 30)
        assert "recommendations.checkout handles" in " ".join(stack.command("order", order_id).stdout.split())
        stack.command("kill", "recommendations")
        second = await customer.check_out(product_id)
        await customer.order(second, "delivered")
        stack.command("start", "recommendations")
        stack.command("scale", "recommendations=2")
        order_id = second
        await until(recommended, 30)
        assert "recommendations.2" in stack.status()["parts"]
