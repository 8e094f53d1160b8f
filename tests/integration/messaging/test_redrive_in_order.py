"""A dead head of a line holds its key; a person who replays, mends or discards it lets the line go on."""

import asyncio
import json
from functools import partial
from typing import Any

import pytest

from infra.messaging.ordering import Lines
from tests.integration.messaging.operating import operating
from tests.integration.messaging.ordered import ordered
from tests.integration.messaging.test_ordered_by import Picky, heard
from tests.integration.messaging.toy import Toy, a_checkout, until


@pytest.mark.parametrize(
    ("what", "kept"), [("replay", [1, 2, 3, 4, 5]), ("edit", [9, 2, 3, 4, 5]), ("discard", [2, 3, 4, 5])]
)
async def test_what_a_person_does_with_the_head_lets_its_line_go_on(toy: Toy, what: str, kept: list[int]) -> None:
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
        await until(partial(heard, toy, {picky.order: kept, picky.other: [1, 2, 3, 4, 5]}))
        await toy.until_idle()
    assert await toy.dead() == []


async def test_a_head_whose_letter_was_replayed_before_it_was_dead_has_another(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A letter is published before its head is dead: between the two, a replay finds no head to revive."""
    picky, replayed, keep = Picky(), asyncio.Event(), Lines.keep
    table = ordered(picky)

    async def keep_late(self: Lines, tx: Any, delivery: Any, entry: Any) -> bool:
        if entry.dead:
            await replayed.wait()
        return await keep(self, tx, delivery, entry)

    monkeypatch.setattr(Lines, "keep", keep_late)
    async with toy.running(table), operating(toy.databases[-1], table) as operator:
        for order in (picky.order, picky.other):
            await toy.say(*(a_checkout(order, cents=number) for number in range(1, 6)))
        await toy.until_dead(1)
        await operator.post("replays", all=True)
        replayed.set()
        await toy.until_dead(1)
        picky.willing = True
        await operator.post("replays", all=True)
        await until(partial(heard, toy, {order: [1, 2, 3, 4, 5] for order in (picky.order, picky.other)}))
        await toy.until_idle()
    assert await toy.dead() == []
