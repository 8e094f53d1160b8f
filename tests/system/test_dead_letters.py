"""An operator lists dead letters on the command line, and edits, redrives or discards them."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import aio_pika

from contracts import Envelope
from marketplace_runtime.amqp import properties_of
from marketplace_runtime.database import new_id
from marketplace_runtime.telemetry import new_traceparent
from tests.system.marketplace import Marketplace, Visit, until

LISTED = "catalog.product-listed.v1"


async def publish_rubbish(marketplace: Marketplace, number: int) -> None:
    """Publish broken events as the user `catalog`."""
    passwords = json.loads(Path(marketplace.state["secrets"]["service_passwords"]).read_text())
    broker = urlsplit(marketplace.state["broker"]["amqp"])
    url = f"amqp://catalog:{passwords['catalog']}@{broker.hostname}:{broker.port}/"
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel()
        exchange = await channel.get_exchange("catalog.events", ensure=False)
        for _ in range(number):
            envelope = Envelope(new_id(), LISTED, "catalog", str(new_id()), datetime.now(UTC), new_traceparent())
            properties = properties_of(envelope, "catalog")
            message = aio_pika.Message(
                b'{"facts": ',
                headers=dict(properties.headers or {}),
                content_type=properties.content_type,
                message_id=properties.message_id,
                user_id="catalog",
            )
            await exchange.publish(message, LISTED)


def listed(marketplace: Marketplace, *arguments: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(marketplace.command("dead", "ls", "--json", *arguments).stdout)
    return found


async def test_dead_letters_from_the_command_line(marketplace: Marketplace, visit: Visit, tmp_path: Path) -> None:
    marketplace.attempt("dead", "discard", "--all", "--reason", "left by other tests on purpose")
    assert listed(marketplace) == []
    await publish_rubbish(marketplace, 3)

    async def three_each() -> bool:
        return {each["service"]: each["letters"] for each in listed(marketplace)} == {"cart": 3, "notifications": 3}

    await until(three_each, 30)
    [group] = listed(marketplace, "--service", "cart")
    name = f"cart/{group['group']}"
    assert (group["subscription"], group["reason"]) == ("products", "not-json")
    assert name in marketplace.command("dead", "ls").stdout
    first, *_ = [f"cart/{each['id']}" for each in listed(marketplace, name)]
    assert json.loads(marketplace.command("dead", "show", first).stdout)["body"] == '{"facts": '
    refused = marketplace.attempt("dead", "replay", name)
    assert refused.returncode == 1
    assert "Edit it, or discard it." in refused.stderr
    exported = marketplace.command("dead", "export").stdout.splitlines()
    assert sorted(json.loads(line)["service"] for line in exported) == ["cart"] * 3 + ["notifications"] * 3

    product_id, facts = str(uuid4()), {"version": 1, "name": "Lamp", "category": "home", "status": "on-sale"}
    body = {"product_id": product_id, "seller_id": "sam", "facts": facts | {"price": {"amount": 1, "currency": "EUR"}}}
    (tmp_path / "body.json").write_text(json.dumps(body))
    marketplace.command("dead", "edit", first, "--body", str(tmp_path / "body.json"), "--reason", "cut off")
    person = await visit.person()

    async def known() -> bool:
        path = f"/carts/{person.subject}/items/{product_id}"
        return (await person.request("PUT", "cart", path, {"quantity": 1}))[0] == 200

    await until(known, 30)
    assert (
        "5 letters would be discarded"
        in marketplace.command("dead", "discard", "--all", "--dry-run", "--reason", "rubbish").stdout
    )
    assert "2 letters discarded" in marketplace.command("dead", "discard", name, "--reason", "rubbish").stdout
    assert "3 letters discarded" in marketplace.command("dead", "discard", "--all", "--reason", "rubbish").stdout
    assert listed(marketplace) == []
    assert "No dead letters." in marketplace.command("dead", "ls").stdout


async def test_the_topology_of_a_running_stack_is_as_planned(marketplace: Marketplace) -> None:
    assert marketplace.command("topology", "plan").stdout == "Nothing differs.\n"
