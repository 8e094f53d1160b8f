"""Operators show, redrive, edit and discard dead letters while consumers run."""

import asyncio
import json
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from contracts import Envelope
from contracts.cart import CartCheckedOutV1
from marketplace_runtime.amqp import DeadLetter
from marketplace_runtime.amqp.wire_format import headers_of
from marketplace_runtime.database import new_id
from marketplace_runtime.dead_letters import table as dead_letters
from marketplace_runtime.telemetry import new_traceparent
from tests.integration.messaging.bug import Bug
from tests.integration.messaging.envelopes import good_properties
from tests.integration.messaging.operating import Operator, operating
from tests.integration.messaging.toy import Toy, a_checkout, until


@asynccontextmanager
async def operated(toy: Toy, bug: Bug) -> AsyncIterator[Operator]:
    async with toy.running(bug.table), operating(toy.databases[-1], bug.table) as operator:
        yield operator


async def die(toy: Toy, number: int) -> list[UUID]:
    events = [a_checkout(cents=100 + each) for each in range(number)]
    await toy.publish(*events)
    await toy.until_dead(number)
    return [event.order_id for event in events]


async def test_dead_letters_are_grouped_by_error_without_ids_and_numbers(toy: Toy) -> None:
    async with operated(toy, Bug()) as operator:
        await die(toy, 3)
        await toy.publish_raw(b"{]", good_properties())
        await toy.until_dead(4)
        groups = (await operator.get("dead-letter-groups"))["items"]
        found = {each["reason"]: (each["subscription"], each["letters"], each["error"]) for each in groups}
        assert found["rejected"] == ("carts", 3, "Reject: order <id> costs <n>")
        assert found["not-json"][:2] == ("carts", 1)
        [rejected] = [each["group"] for each in groups if each["reason"] == "rejected"]
        first = await operator.get(f"dead-letters?limit=2&group={rejected}&bodies=true")
        rest = await operator.get(f"dead-letters?group={rejected}&cursor={first['next_cursor']}")
        assert [json.loads(each["body"])["total"]["amount"] for each in first["items"]] == [100, 101]
        assert [each["group"] for each in rest["items"]] == [rejected]
        assert rest["items"][0]["body"] is None


async def test_a_redriven_letter_has_one_effect_and_leaves_a_record(toy: Toy) -> None:
    bug = Bug()
    async with operated(toy, bug) as operator:
        [order] = await die(toy, 1)
        [letter] = (await operator.get("dead-letters"))["items"]
        assert (await operator.post("replays", ids=[letter["id"]], dry_run=True))["settled"] == 1
        assert (await operator.get("counts"))["dead"] == 1
        bug.present = False
        assert (await operator.post("replays", ids=[letter["id"]]))["settled"] == 1
        await toy.until_effects(1)
        await toy.publish_again(UUID(letter["event_id"]))
        await toy.until_idle()
        assert await toy.effects() == [(order, "100")]
        assert (await operator.get("counts"))["dead"] == 0
        [trace] = (await operator.get("settled-letters"))["items"]
        assert (trace["id"], trace["action"], trace["by"]) == (letter["id"], "replayed", "grace")


async def test_a_redriven_letter_that_fails_again_can_be_redriven_again(toy: Toy) -> None:
    bug = Bug()
    async with operated(toy, bug) as operator:
        await die(toy, 5)
        for _ in range(2):
            assert sum(each["settled"] for each in await operator.all_chunks("replays", all=True)) == 5

            async def dead_again() -> bool:
                return len(await toy.dead()) == 5

            await until(dead_again)
        bug.present = False
        await operator.all_chunks("replays", all=True)
        await toy.until_effects(5)
        assert bug.runs >= 20


async def test_concurrent_redrives_redrive_each_letter_once(toy: Toy) -> None:
    bug = Bug()
    async with operated(toy, bug) as operator:
        await die(toy, 30)
        bug.present = False
        ids = [each["id"] for each in (await operator.get("dead-letters?limit=100"))["items"]]
        outcomes = await asyncio.gather(
            *(operator.post("replays", ids=ids) for _ in range(4)),
            *(operator.post("replays", all=True) for _ in range(4)),
        )
        assert sum(each["settled"] for each in outcomes) == 30
        assert any(each["missing"] for each in outcomes)
        await toy.until_effects(30)
        await toy.until_idle()
        assert len(await toy.effects()) == 30
        assert len((await operator.get("settled-letters?limit=100"))["items"]) == 30


async def test_an_unreadable_letter_is_redriven_only_after_an_edit(toy: Toy) -> None:
    bug = Bug()
    bug.present = False
    async with operated(toy, bug) as operator:
        await toy.publish_raw(b"\xff{]", good_properties())
        await toy.until_dead(1)
        [letter] = (await operator.get("dead-letters?bodies=true"))["items"]
        assert letter["body_base64"] == "/3td"
        outcome = await operator.post("replays", all=True)
        assert outcome["settled"] == 0
        assert "Edit it" in outcome["refused"][0]["why"]
        body = json.loads(a_checkout(cents=7).model_dump_json())
        path = f"dead-letters/{letter['id']}/edit"
        refused = await operator.ask("POST", path, {"body": body | {"lines": "many"}}, status=409)
        assert "lines" in refused["detail"]
        mended = await operator.post(path, body=body, note="a comma was lost")
        assert mended["event_id"] == letter["event_id"]
        await toy.until_effects(1)
        assert await toy.effects() == [(UUID(body["order_id"]), "7")]
        [trace] = (await operator.get("settled-letters"))["items"]
        assert (trace["action"], trace["note"]) == ("edited", "a comma was lost")
        assert await toy.rows("select body from messaging.settled_letters") == [(b"\xff{]",)]


async def test_a_letter_without_id_and_type_gets_a_new_id_when_it_is_edited(toy: Toy) -> None:
    bug = Bug()
    bug.present = False
    async with operated(toy, bug) as operator:
        properties = good_properties()
        properties.headers = {}
        await toy.publish_raw(b"{}", properties)
        await toy.until_dead(1)
        [letter] = (await operator.get("dead-letters"))["items"]
        assert letter["event_id"] is letter["type"] is None
        path, body = f"dead-letters/{letter['id']}/edit", json.loads(a_checkout().model_dump_json())
        assert "type" in (await operator.ask("POST", path, {"body": body}, status=409))["detail"]
        unheard = {"body": body, "type": "cart.cart-abandoned.v1"}
        assert "not handled by this subscription" in (await operator.ask("POST", path, unheard, status=409))["detail"]
        await operator.post(path, body=body, type=CartCheckedOutV1.type)
        await toy.until_effects(1)


async def test_a_forged_event_cannot_be_redriven(toy: Toy) -> None:
    """A message that was refused before its publisher was checked must not be accepted by a redrive."""
    bug = Bug()
    bug.present = False
    async with operated(toy, bug) as operator:
        properties = good_properties()
        properties.user_id, properties.content_type = None, "text/plain"
        await toy.publish_raw(a_checkout().model_dump_json().encode(), properties)
        await toy.until_dead(1)
        outcome = await operator.post("replays", all=True)
        assert outcome["settled"] == 0
        assert "wrong-publisher" in outcome["refused"][0]["why"]


async def test_a_discarded_event_that_is_published_again_stays_discarded(toy: Toy) -> None:
    bug = Bug()
    async with operated(toy, bug) as operator:
        await die(toy, 1)
        [letter] = (await operator.get("dead-letters"))["items"]
        await operator.post("discards", ids=[letter["id"]], note="a test order")
        bug.present = False
        await toy.publish_again(UUID(letter["event_id"]))
        [other] = await toy.publish(a_checkout())
        await toy.until_effects(1)
        await toy.until_idle()
        assert str(other) != letter["event_id"]
        assert len(await toy.effects()) == 1
        assert await toy.dead() == []


async def test_a_discarded_letter_is_kept_with_the_operator_and_the_reason(toy: Toy) -> None:
    async with operated(toy, Bug()) as operator:
        await die(toy, 3)
        [group] = (await operator.get("dead-letter-groups"))["items"]
        await operator.ask("POST", "discards", {"group": group["group"]}, status=422)  # a note is required
        dry = await operator.post("discards", group=group["group"], note="test orders", dry_run=True)
        done = await operator.post("discards", group=group["group"], note="test orders")
        assert dry["settled"] == done["settled"] == 3
        assert await toy.dead() == []
        kept = await toy.rows('select action, "by", note, length(body) > 0 from messaging.settled_letters')
        assert kept == [("discarded", "grace", "test orders", True)] * 3


async def test_records_of_settled_letters_are_deleted_after_the_retention(
    toy: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dead_letters, "MAX_ROWS_PER_DELETE", 2)
    async with operated(toy, Bug()) as operator:
        await die(toy, 6)
        ids = [letter["id"] for letter in (await operator.get("dead-letters"))["items"]]
        await operator.post("discards", ids=ids[:5], note="test orders")
    old = "update messaging.settled_letters set at = at - interval '14 days 1 minute' where id = any($1::bigint[])"
    await toy.rows(f"{old} returning id", ids[:3])
    await dead_letters.delete_old_settled(toy.databases[-1], days=14)
    assert await toy.rows("select id from messaging.settled_letters order by id") == [(id,) for id in ids[3:5]]
    assert len(await toy.dead()) == 1


async def test_redriving_a_poison_letter_resets_its_count_of_deaths(toy: Toy) -> None:
    bug = Bug()
    async with operated(toy, bug) as operator:
        await die(toy, 1)
        await toy.rows("insert into messaging.suspects select subscription, event_id, 3 from messaging.dead_letters")
        bug.present = False
        await operator.post("replays", all=True)
        await toy.until_effects(1)
        assert await toy.rows("select * from messaging.suspects") == []


async def test_an_invalid_selection_of_letters_is_refused(toy: Toy) -> None:
    async with operated(toy, Bug()) as operator:
        nonsense: list[dict[str, Any]] = [{}, {"all": True, "ids": [1]}, {"ids": []}, {"group": "x"}, {"ids": [2**63]}]
        for body in nonsense:
            await operator.ask("POST", "replays", body, status=422)
        assert (await operator.post("replays", ids=[17]))["missing"] == [17]
        await operator.ask("GET", "dead-letters/17", status=404)
        await operator.ask("POST", "dead-letters/17/edit", {"body": {}}, status=404)


async def file_letters(toy: Toy, number: int) -> None:
    """Store as many dead letters as a long outage leaves, each of a different order."""
    for first in range(0, number, 5000):
        letters = []
        for _ in range(min(5000, number - first)):
            event = a_checkout()
            envelope = Envelope(new_id(), event.type, "cart", event.subject, datetime.now(UTC), new_traceparent())
            letters.append(
                DeadLetter(
                    key=f"carts/{envelope.id}",
                    subscription="carts",
                    event_id=envelope.id,
                    type=event.type,
                    reason="attempts-exhausted",
                    error=f"TimeoutError: order {event.order_id}",
                    attempts=12,
                    failed_at=envelope.time,
                    headers={**headers_of(envelope)},
                    body=event.model_dump_json().encode() + b" " * 1000,
                )
            )
        async with toy.databases[-1].transaction() as tx:
            await dead_letters.store(tx, letters)


def resident_bytes() -> int:
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("number", [1_000, pytest.param(100_000, marks=pytest.mark.slow)])
async def test_any_number_of_letters_is_exported_and_redriven_in_bounded_memory(toy: Toy, number: int) -> None:
    """This process serves and consumes; its growth must not depend on the 130 MB of 100,000 dead letters."""
    bug = Bug()
    bug.present = False
    async with operated(toy, bug) as operator:
        await file_letters(toy, number)
        before = resident_bytes()
        [group] = (await operator.get("dead-letter-groups"))["items"]
        assert group["letters"] == number
        exported, cursor = 0, ""
        while cursor is not None:
            page = await operator.get(f"dead-letters?limit=100&bodies=true{cursor and '&cursor=' + cursor}")
            exported, cursor = exported + len(page["items"]), page["next_cursor"]
        assert exported == number
        rehearsed = await operator.all_chunks("replays", all=True, dry_run=True)
        assert sum(each["settled"] for each in rehearsed) == number
        outcomes = await operator.all_chunks("replays", group=group["group"])
        assert sum(each["settled"] for each in outcomes) == number

        async def handled() -> bool:
            await asyncio.sleep(number / 100_000)  # counting is expensive
            return await toy.rows("select count(*) from messaging.scheduled") == [(0,)]

        await until(handled, 600)
        assert await toy.rows("select count(distinct order_id), count(*) from effects") == [(number, number)]
        assert resident_bytes() - before < 64 * 1024 * 1024
        assert (await operator.get("counts"))["dead"] == 0


async def test_many_letters_are_discarded_in_chunks_and_new_ones_stay(toy: Toy) -> None:
    async with operated(toy, Bug()) as operator:
        await file_letters(toy, 450)
        first = await operator.post("discards", all=True, note="outage")
        await toy.publish(a_checkout())
        await toy.until_dead(251)
        rest = await operator.all_chunks("discards", all=True, note="outage", **first["next"])
        assert [first["settled"], *(each["settled"] for each in rest)] == [200, 200, 50]
        assert (await operator.get("counts"))["dead"] == 1
