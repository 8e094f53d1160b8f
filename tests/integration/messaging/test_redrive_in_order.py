"""A dead head blocks its key until an operator redrives, edits or discards it."""

import json
from functools import partial
from typing import Any

import pytest

from marketplace_runtime.database import Transaction
from marketplace_runtime.dead_letters import table as dead_letters
from tests.integration.messaging.operating import operating
from tests.integration.messaging.ordered import Picky, has_handled, ordered
from tests.integration.messaging.toy import Toy, a_checkout, until


@pytest.mark.parametrize(
    ("what", "kept"), [("replay", [1, 2, 3, 4, 5]), ("edit", [9, 2, 3, 4, 5]), ("discard", [2, 3, 4, 5])]
)
async def test_redriving_editing_or_discarding_a_dead_head_unblocks_its_key(
    toy: Toy, what: str, kept: list[int]
) -> None:
    picky = Picky()
    table = ordered(picky)
    async with toy.running(table), operating(toy.databases[-1], table) as operator:
        await picky.until_dead(toy)
        picky.willing = True
        [letter] = (await operator.get("dead-letters"))["items"]
        if what == "replay":
            await operator.post("replays", all=True)
        elif what == "discard":
            await operator.post("discards", all=True, note="no such order")
        else:
            body = json.loads(a_checkout(picky.order, cents=9).model_dump_json())
            await operator.post(f"dead-letters/{letter['id']}/edit", body=body)
        await until(partial(has_handled, toy, {picky.order: kept, picky.other: [1, 2, 3, 4, 5]}))
        await toy.until_idle()
    assert await toy.dead() == []


async def test_a_head_dies_and_its_dead_letter_is_stored_in_one_transaction(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise a redrive in between would find no head to revive, or a key blocked without a visible dead letter."""
    picky, seen, file = Picky(), list[tuple[int, int]](), dead_letters.store

    async def look() -> tuple[int, int]:
        [(heads,)] = await toy.rows("select count(*) from messaging.scheduled where dead")
        return heads, len(await toy.dead())

    async def look_and_file(tx: Transaction, letters: Any) -> None:
        seen.append(await look())
        await file(tx, letters)
        seen.append(await look())

    monkeypatch.setattr(dead_letters, "store", look_and_file)
    async with toy.running(ordered(picky)):
        await picky.until_dead(toy)
        assert await look() == (1, 1)
    assert seen == [(0, 0), (0, 0)]
