"""Reads the mails that arrived at the mail server."""

from typing import Any

from tests.integration.delivery.running import Running


async def mails_to(world: Running, person: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    after = 0
    while page := (await world.outside_json(f"/mail/messages?after={after}"))["messages"]:
        found += [mail for mail in page if mail["to"] == f"{person}@example.com"]
        after = page[-1]["seq"]
    return found


async def text_of(world: Running, mail: dict[str, Any]) -> str:
    """Return the text as a mail client shows it; lines are folded in transit."""
    return (await world.outside_text(f"/mail/messages/{mail['seq']}")).replace("=\r\n", "")
