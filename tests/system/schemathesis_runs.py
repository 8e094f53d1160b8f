"""Runs schemathesis with a service's OpenAPI document on the running stack.

All of its checks run but one: `positive_data_acceptance` expects that any cursor or Idempotency-Key that fits the
schema is accepted, but these are opaque. In addition, every error must be a problem document. Through the gateway,
`unsupported_method` does not run either: Envoy refuses QUERY without a media type before it looks for a route.
"""

import asyncio
import os
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from infra.stack import python_path
from tests.system.http_requests import token_for
from tests.system.marketplace import ROOT, Marketplace, Visit, until

SERVICES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["marketplace"]["services"]
REBUILD = "/ops/rebuild"
"""Excluded: it takes no input but a key and locks the orders while it runs. test_identity.py calls it once."""
ROLES = {"customer": (), "seller": ("seller",), "operator": ("operator",), "everything": ("seller", "operator")}


@dataclass(frozen=True)
class Things:
    """A person's product and order, so that routes find something."""

    subject: str
    product_id: str
    order_id: str


async def a_buyers_things(marketplace: Marketplace) -> Things:
    """Let a customer buy one product and put more of it into the cart."""
    async with Visit(marketplace) as visit:
        customer = await visit.customer()
        seller = await token_for(visit, customer.subject, "seller")
        offer = {"name": "Lamp", "category": "home", "price": {"amount": 100, "currency": "EUR"}, "on_hand": 1000}
        headers = {"Authorization": f"Bearer {seller}"}
        async with visit.http.post(visit.base("catalog") + "/products", json=offer, headers=headers) as answer:
            product_id = (await answer.json())["product_id"]

        async def wanted() -> bool:
            path = f"/carts/{customer.subject}/items/{product_id}"
            return (await customer.request("PUT", "cart", path, {"quantity": 3}))[0] == 200

        await until(wanted, 30)
        order_id = await customer.check_out(product_id)
        await customer.order(order_id, "delivered")
        return Things(customer.subject, product_id, order_id)


async def run(
    visit: Visit,
    service: str,
    roles: tuple[str, ...],
    things: Things,
    home: Path,
    *,
    examples: int,
    through_gateway: bool = False,
    phases: str = "examples,coverage,fuzzing,stateful",
) -> None:
    """Run schemathesis as somebody with these roles, and assert that it finds no issue."""
    token = await token_for(visit, things.subject, *roles)
    config = home / "schemathesis.toml"
    config.write_text(f"""
headers = {{ Authorization = "Bearer {token}" }}
[dictionaries]
people = {{ values = ["{things.subject}"] }}
products = {{ values = ["{things.product_id}"] }}
orders = {{ values = ["{things.order_id}"] }}
[parameters]
"path.customer" = {{ dictionary = "people", probability = 0.7 }}
"path.person" = {{ dictionary = "people", probability = 0.7 }}
"path.product_id" = {{ dictionary = "products", probability = 0.5 }}
"path.order_id" = {{ dictionary = "orders", probability = 0.5 }}
[checks.positive_data_acceptance]
enabled = false
[checks.unsupported_method]
enabled = {str(not through_gateway).lower()}
""")
    command = [sys.executable, "-m", "schemathesis.cli", "--config-file", str(config), "run"]
    options = ["--max-examples", str(examples), "--generation-deterministic", "--no-color", "--warnings", "off"]
    options += ["--exclude-path", REBUILD, "--phases", phases]
    hooks = "tests.system.schemathesis_checks"
    if through_gateway:
        options += ["--url", visit.base("gateway"), "--exclude-path-regex", "^/ops/"]
        hooks = "tests.system.schemathesis_through_gateway"
    done = await asyncio.to_thread(
        subprocess.run,
        [*command, f"{visit.base(service)}/openapi.json", *options],
        cwd=home,  # schemathesis stores its findings in the working directory
        env=os.environ | {"SCHEMATHESIS_HOOKS": hooks, "PYTHONPATH": python_path(ROOT)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "No issues found" in done.stdout, done.stdout
