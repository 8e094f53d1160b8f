"""Tests which events reach which endpoint, at least once, however the endpoints fail."""

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from contracts import Money
from contracts.catalog import ProductFacts, ProductListedV1, ProductStatus, StockRunningLowV1
from contracts.checkout import OrderDeliveredV1
from marketplace_runtime.database import new_id
from tests.integration.delivery.running import Running, until
from tests.integration.notifications.mailbox import mails_to, text_of
from tests.integration.notifications.receiving import Receiver, a_receiver
from tests.integration.notifications.stored import everything_stored

PRICE = Money(amount=1999, currency="EUR")


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with a_receiver() as somebody:
        yield somebody


@pytest.fixture
async def ada(world: Running) -> AsyncIterator[str]:
    """Make a person, and delete the person's endpoints afterwards."""
    person = f"p-{new_id()}"
    yield person
    _, page = await world.request("GET", "/webhooks", by=person)
    for each in page["items"]:
        assert (await world.request("DELETE", f"/webhooks/{each['endpoint_id']}", by=person))[0] == 204


async def register(world: Running, receiver: Receiver, person: str, *events: str, **more: Any) -> str:
    """Register `receiver` as an endpoint of `person`. Returns its path."""
    body = {"url": receiver.url, "events": list(events) or ["*"], **more}
    status, made = await world.request("POST", "/webhooks", body, by=person)
    assert status == 201, made
    receiver.secret = made["secret"]
    return f"/webhooks/{made['endpoint_id']}"


def delivered(person: str) -> OrderDeliveredV1:
    return OrderDeliveredV1(order_id=new_id(), customer_id=person)


def listed(seller: str) -> ProductListedV1:
    facts = ProductFacts(version=1, name="Lamp", category="home", price=PRICE, status=ProductStatus.ON_SALE)
    return ProductListedV1(product_id=new_id(), seller_id=seller, facts=facts)


async def delivery(world: Running, path: str, event: UUID, person: str) -> dict[str, Any] | None:
    status, page = await world.request("GET", f"{path}/deliveries?limit=100", by=person)
    assert status == 200
    return next((each for each in page["items"] if each["event_id"] == str(event)), None)


async def until_delivery(world: Running, path: str, event: UUID, person: str, **wanted: Any) -> dict[str, Any]:
    """Wait until the delivery has the wanted values, and return it."""
    found: dict[str, Any] | None = None

    async def matches() -> bool:
        nonlocal found
        found = await delivery(world, path, event, person)
        return found is not None and wanted.items() <= found.items()

    try:
        await until(matches)
    except TimeoutError:
        raise AssertionError(f"{found} is not {wanted}") from None
    assert found is not None
    return found


async def until_tried(world: Running, path: str, event: UUID, person: str, times: int = 1) -> None:
    async def often() -> bool:
        found = await delivery(world, path, event, person)
        return found is not None and found["attempts"] >= times

    await until(often)


async def test_an_event_is_sent_once_signed_and_unchanged(world: Running, receiver: Receiver, ada: str):
    path = await register(world, receiver, ada)
    event = delivered(ada)
    id = await world.publish(event)
    await world.publish(event, id)  # delivered twice by the broker
    await receiver.until_accepted(id)
    received = receiver.accepted[str(id)]
    assert received | {"time": None} == {
        "specversion": "1.0",
        "id": str(id),
        "type": "checkout.order-delivered.v1",
        "source": "checkout",
        "subject": str(event.order_id),
        "time": None,
        "datacontenttype": "application/json",
        "data": {"order_id": str(event.order_id), "customer_id": ada},
    }
    seen = await until_delivery(world, path, id, ada, state="delivered")
    assert (seen["attempts"], seen["status"], seen["error"], seen["due_at"]) == (1, 204, None, None)
    await world.until_idle()
    assert (receiver.attempts, receiver.forged) == ([str(id)], [])


async def test_a_person_receives_events_of_their_own_and_public_ones(world: Running, receiver: Receiver, ada: str):
    await register(world, receiver, ada)
    low = StockRunningLowV1(product_id=new_id(), seller_id="somebody-else", available=1)
    others = [await world.publish(each) for each in (delivered("somebody-else"), low)]
    own = [
        await world.publish(each)
        for each in (listed("somebody-else"), low.model_copy(update={"seller_id": ada}), delivered(ada))
    ]
    await receiver.until_accepted(*own)
    await world.until_idle()
    assert not {str(id) for id in others} & set(receiver.attempts)


async def test_only_an_operator_may_receive_events_of_everyone(world: Running, receiver: Receiver, ada: str):
    body = {"url": receiver.url, "events": ["checkout.*"], "everyones": True}
    status, problem = await world.request("POST", "/webhooks", body, by=ada)
    assert (status, problem["detail"].partition(":")[0]) == (403, "`everyones` is for the role operator")
    headers = await world.token(ada, "operator")
    async with world.http.post("/webhooks", json=body, headers=headers) as answer:
        assert answer.status == 201
        receiver.secret = (await answer.json())["secret"]
    unasked = await world.publish(listed(ada))
    id = await world.publish(delivered("somebody"))
    await receiver.until_accepted(id)
    await world.until_idle()
    assert str(unasked) not in receiver.attempts


async def test_an_endpoint_that_was_down_gets_everything_when_it_returns(world: Running, receiver: Receiver, ada: str):
    path = await register(world, receiver, ada)
    await receiver.stop()
    ids = [await world.publish(delivered(ada)) for _ in range(30)]
    await until_tried(world, path, ids[0], ada)
    assert (await world.request("GET", path, by=ada))[1]["failing_since"] is not None
    await receiver.start()
    await receiver.until_accepted(*ids)
    for id in ids:
        seen = await until_delivery(world, path, id, ada, state="delivered")
    assert (await world.request("GET", path, by=ada))[1]["failing_since"] is None
    assert sorted(receiver.attempts) == sorted(map(str, ids)), seen


async def test_many_concurrent_events_all_arrive(world: Running, receiver: Receiver, ada: str):
    path = await register(world, receiver, ada, "checkout.order-delivered.*")
    ids = await asyncio.gather(*(world.publish(delivered(ada)) for _ in range(100)))
    await receiver.until_accepted(*ids)
    for id in ids:
        await until_delivery(world, path, id, ada, state="delivered")


async def test_a_call_to_an_endpoint_that_hangs_times_out_and_delays_no_other(
    world: Running, receiver: Receiver, ada: str
):
    async def hang() -> None:
        await asyncio.get_running_loop().create_future()

    receiver.meanwhile = hang
    path = await register(world, receiver, ada)
    id = await world.publish(delivered(ada))
    await receiver.until_requested(id)
    async with a_receiver() as other:
        bob = f"p-{new_id()}"
        theirs = await register(world, other, bob)
        quick = await world.publish(delivered(bob))
        await other.until_accepted(quick)
        assert await world.request("DELETE", theirs, by=bob) == (204, None)
    await until_tried(world, path, id, ada)
    hung = await delivery(world, path, id, ada)
    assert hung is not None
    assert (hung["state"], hung["status"], hung["error"]) == ("pending", None, "no answer within 2 s")
    receiver.meanwhile = None
    await receiver.until_accepted(id)


@pytest.mark.parametrize("status", [302, 400, 503])
async def test_an_answer_other_than_2xx_is_retried_and_a_redirect_is_not_followed(
    world: Running, receiver: Receiver, ada: str, status: int
):
    receiver.status = status
    path = await register(world, receiver, ada)
    id = await world.publish(delivered(ada))
    await until_tried(world, path, id, ada)
    seen = await until_delivery(world, path, id, ada, state="pending", status=status, error=f"answered {status}")
    assert seen["due_at"] is not None
    receiver.status = 200
    await receiver.until_accepted(id)


async def test_retry_after_of_an_endpoint_is_respected(world: Running, receiver: Receiver, ada: str):
    path = await register(world, receiver, ada)
    receiver.status, receiver.headers = 503, {"Retry-After": "3"}
    event = delivered(ada)
    id = await world.publish(event)
    found = await until_delivery(world, path, id, ada, attempts=1)
    waits = datetime.fromisoformat(found["due_at"]) - datetime.fromisoformat(found["attempted_at"])
    assert waits >= timedelta(seconds=3), "without Retry-After the retry would come after 0.1 s"
    receiver.status, receiver.headers = 204, {}
    await until_delivery(world, path, id, ada, state="delivered", attempts=2)


async def test_an_endpoint_that_keeps_failing_is_disabled_until_its_owner_enables_it(
    world: Running, receiver: Receiver, ada: str
):
    receiver.status = 500
    path = await register(world, receiver, ada)
    waiting = await world.publish(delivered(ada))
    await until_tried(world, path, waiting, ada)
    endpoint_id = path.rpartition("/")[2]
    await world.database.execute(
        "update webhook_endpoints set failing_since = failing_since - interval '3 days' where endpoint_id = $1",
        UUID(endpoint_id),
    )
    assert await world.until_published(endpoint_id, "webhook-disabled") == ["webhook-disabled"]
    shown = (await world.request("GET", path, by=ada))[1]
    assert (shown["enabled"], shown["disabled"]) == (False, "failing")
    missed = await world.publish(delivered(ada))
    await world.until_idle()
    asked = len(receiver.attempts)
    receiver.status = 204
    assert (await world.request("POST", f"{path}/enable", by=ada))[1]["enabled"]
    await receiver.until_accepted(waiting)
    await world.until_idle()
    assert len(receiver.attempts) == asked + 1, "missed events are sent only on demand"
    shown = await delivery(world, path, missed, ada)
    assert shown is not None
    assert (shown["state"], shown["attempts"], shown["due_at"]) == ("missed", 0, None)


async def disabled(world: Running, receiver: Receiver, person: str) -> str:
    """Register an endpoint and disable it with 410 Gone. Returns its path."""
    receiver.status = 410
    path = await register(world, receiver, person, "checkout.*")
    await world.publish(delivered(person))
    await world.until_published(path.rpartition("/")[2], "webhook-disabled")
    receiver.status = 204
    return path


async def missed_by(world: Running, path: str, person: str, number: int) -> list[UUID]:
    """Publish `number` events, and wait until they are listed as missed."""
    events = [await world.publish(delivered(person)) for _ in range(number)]
    for each in events:
        await until_delivery(world, path, each, person, state="missed")
    return events


async def test_events_missed_by_a_disabled_endpoint_are_listed_and_sent_on_demand(
    world: Running, receiver: Receiver, ada: str
):
    path = await disabled(world, receiver, ada)
    events = await missed_by(world, path, ada, 3)
    assert (await world.request("POST", f"{path}/redeliver-missed", by=ada))[0] == 409, "the endpoint is still disabled"
    assert (await world.request("GET", path, by=ada))[1]["missed"] == 3
    _, page = await world.request("GET", f"{path}/deliveries?state=missed", by=ada)
    assert [each["event_id"] for each in page["items"]] == [str(each) for each in reversed(events)]
    await world.request("POST", f"{path}/enable", by=ada)
    first = f"{path}/deliveries/{events[0]}/redeliver"
    assert (await world.request("POST", first, by=ada))[0] == 202
    assert (await world.request("GET", path, by=ada))[1]["missed"] == 2
    status, answer = await world.request("POST", f"{path}/redeliver-missed", by=ada)
    assert (status, answer) == (202, {"redelivered": 2, "missed": 0})
    await receiver.until_accepted(*events)
    assert (await world.request("POST", f"{path}/redeliver-missed", by=ada))[1] == {"redelivered": 0, "missed": 0}


@pytest.mark.slow
async def test_missed_events_are_deleted_after_a_week_and_bounded(world: Running, receiver: Receiver, ada: str):
    path = await disabled(world, receiver, ada)
    endpoint_id = UUID(path.rpartition("/")[2])
    [recent] = await missed_by(world, path, ada, 1)
    long_ago = UUID(int=recent.int - (8 * 86_400_000 << 80))
    await world.database.execute(
        "insert into webhook_deliveries (endpoint_id, event_id, type, body, created_at, state, attempts)"
        " values ($1, $2, 'checkout.order-delivered.v1', '{}', now(), 'missed', 0)",
        endpoint_id,
        long_ago,
    )

    async def forgotten() -> bool:
        return await delivery(world, path, long_ago, ada) is None

    await until(forgotten)
    assert await delivery(world, path, recent, ada)
    await world.database.execute("update webhook_endpoints set missed = 99999 where endpoint_id = $1", endpoint_id)
    too_many = await world.publish(delivered(ada))
    await world.until_idle()
    assert await delivery(world, path, too_many, ada) is None


async def test_the_owner_of_a_disabled_endpoint_gets_a_mail_each_time(world: Running, receiver: Receiver, ada: str):
    choices = {"order_updates": False, "reminders": False}
    contact = {"email": f"{ada}@example.com", "choices": choices}
    assert (await world.request("PUT", f"/contacts/{ada}", contact, by=ada))[0] == 200
    path = await disabled(world, receiver, ada)
    receiver.status = 410
    await world.request("POST", f"{path}/enable", by=ada)
    await world.publish(delivered(ada))
    endpoint_id = path.rpartition("/")[2]

    async def two_mails_came() -> bool:
        return [each["about"].partition(":")[0] for each in await mails_to(world, ada)] == [endpoint_id] * 2

    await until(two_mails_came)
    text = await text_of(world, (await mails_to(world, ada))[0])
    assert "answered 410 Gone" in text
    assert f"POST /webhooks/{endpoint_id}/redeliver-missed" in text


@pytest.mark.slow
async def test_an_owner_without_a_contact_gets_no_mail_and_nothing_is_dead_lettered(
    world: Running, receiver: Receiver, ada: str
):
    path = await disabled(world, receiver, ada)

    async def noted() -> bool:
        _, page = await world.request("GET", "/notifications", by=ada)
        return ("webhook-disabled", "no-contact") in [(each["kind"], each["failure"]) for each in page["items"]]

    await until(noted)
    assert await world.published(path.rpartition("/")[2]) == ["webhook-disabled"]
    assert await world.database.fetchval("select count(*) from messaging.dead_letters") == 0


async def test_an_endpoint_has_one_turn_at_a_time_however_often_it_is_enabled(
    world: Running, receiver: Receiver, ada: str
):
    answers = asyncio.Event()
    receiver.meanwhile = answers.wait
    path = await register(world, receiver, ada)
    first = await world.publish(delivered(ada))
    await receiver.until_requested(first)
    for _ in range(3):
        assert (await world.request("POST", f"{path}/enable", by=ada))[0] == 200
    second = await world.publish(delivered(ada))
    await until_delivery(world, path, second, ada, state="pending")
    answers.set()
    for id in (first, second):
        seen = await until_delivery(world, path, id, ada, state="delivered")
        await world.until_idle()
        assert receiver.attempts.count(str(id)) == seen["attempts"], "requests were sent by more than one turn"


async def test_an_endpoint_that_answers_gone_gets_no_more_requests(world: Running, receiver: Receiver, ada: str):
    receiver.status = 410
    path = await register(world, receiver, ada)
    id = await world.publish(delivered(ada))
    await until_delivery(world, path, id, ada, state="failed", error="answered 410")
    assert (await world.request("GET", path, by=ada))[1]["disabled"] == "gone"
    again = f"{path}/deliveries/{id}/redeliver"
    assert (await world.request("POST", again, by=ada))[0] == 409
    receiver.status = 204
    assert (await world.request("POST", f"{path}/enable", by=ada))[0] == 200
    assert (await world.request("POST", again, by=ada))[0] == 202
    await receiver.until_accepted(id)


async def test_an_endpoint_with_too_many_waiting_deliveries_is_disabled(world: Running, receiver: Receiver, ada: str):
    receiver.status = 500
    path = await register(world, receiver, ada)
    await world.database.execute(
        """
        insert into webhook_deliveries (endpoint_id, event_id, type, body, created_at, due_at, state, attempts)
        select $1, gen_random_uuid(), 'checkout.order-delivered.v1', '{}', now(), now() + '1 day', 'pending', 1
        from generate_series(1, 100000)
        """,
        UUID(path.rpartition("/")[2]),
    )
    await world.publish(delivered(ada))
    await world.until_published(path.rpartition("/")[2], "webhook-disabled")
    assert (await world.request("GET", path, by=ada))[1]["disabled"] == "overrun"


async def test_a_delivered_event_is_sent_again_on_demand(world: Running, receiver: Receiver, ada: str):
    path = await register(world, receiver, ada)
    id = await world.publish(delivered(ada))
    await until_delivery(world, path, id, ada, state="delivered")
    status, shown = await world.request("POST", f"{path}/deliveries/{id}/redeliver", by=ada)
    assert (status, shown["state"], shown["attempts"]) == (202, "pending", 0)
    await receiver.until_requested(id, times=2)
    await until_delivery(world, path, id, ada, state="delivered")
    assert (await world.request("POST", f"{path}/deliveries/{new_id()}/redeliver", by=ada))[0] == 404


async def test_after_a_rotation_the_old_secret_signs_for_a_while(world: Running, receiver: Receiver, ada: str):
    path = await register(world, receiver, ada)
    old = receiver.secret
    status, rotated = await world.request("POST", f"{path}/rotate", by=ada)
    assert (status, rotated["secret"] != old, rotated["old_secret_until"] is not None) == (200, True, True)
    await receiver.until_accepted(await world.publish(delivered(ada)))
    receiver.secret = rotated["secret"]
    await receiver.until_accepted(await world.publish(delivered(ada)))
    await world.database.execute("update webhook_endpoints set old_secret_until = now() where owner = $1", ada)
    await receiver.until_accepted(last := await world.publish(delivered(ada)))
    await until_delivery(world, path, last, ada, state="delivered")
    assert old not in str(await world.database.fetch("select * from webhook_endpoints"))


async def test_a_crash_after_the_call_repeats_it_under_the_same_id(world: Running, receiver: Receiver, ada: str):
    path = await register(world, receiver, ada)
    killed = asyncio.Event()

    async def crash() -> None:
        receiver.meanwhile = None
        await world.kill()
        killed.set()

    receiver.meanwhile = crash
    id = await world.publish(delivered(ada))
    await killed.wait()
    await receiver.until_accepted(id)
    await world.start()
    await until_delivery(world, path, id, ada, state="delivered")
    assert receiver.attempts == [str(id)] * 2


async def test_a_deleted_endpoint_leaves_no_secret_and_no_event_behind(world: Running, receiver: Receiver, ada: str):
    body = {"url": f"{receiver.url}?key=of-the-owner", "events": ["*"]}
    headers = await world.token(ada) | {"Idempotency-Key": f"k-{new_id()}"}
    shown: list[str] = []
    for _ in range(2):
        async with world.http.post("/webhooks", json=body, headers=headers) as answer:
            made = await answer.json()
            shown.append(made["secret"])
    assert shown[0] == shown[1]  # repeated with its key, since the answer was lost
    path = f"/webhooks/{made['endpoint_id']}"
    receiver.secret = made["secret"]
    async with world.http.post(f"{path}/rotate", headers=headers) as answer:
        shown.append((await answer.json())["secret"])
    id = await world.publish(delivered(ada))
    await receiver.until_accepted(id)
    assert await world.request("DELETE", path, by=ada) == (204, None)
    assert (await world.request("GET", path, by=ada))[0] == 404
    left = await everything_stored(world.database) + world.log.read_text()
    for secret in {*shown, "of-the-owner"}:
        assert secret not in left
    assert await world.database.fetchval("select count(*) from webhook_deliveries where event_id = $1", id) == 0


async def test_another_persons_endpoint_is_not_found(world: Running, receiver: Receiver, ada: str):
    path = await register(world, receiver, ada)
    id = await world.publish(delivered(ada))
    await until_delivery(world, path, id, ada, state="delivered")
    routes = [
        ("GET", path),
        ("DELETE", path),
        ("POST", f"{path}/enable"),
        ("POST", f"{path}/rotate"),
        ("GET", f"{path}/deliveries"),
        ("POST", f"{path}/deliveries/{id}/redeliver"),
    ]
    for method, route in routes:
        status, problem = await world.request(method, route, by="mallory")
        assert (status, problem["detail"]) == (404, "There is no such thing here, or it is not yours.")
        assert (await world.request(method, route))[0] == 401
    assert (await world.request("GET", "/webhooks", by="mallory"))[1]["items"] == []
    status, shown = await world.request("GET", path, by=ada)
    assert (status, shown["enabled"], "secret" in shown) == (200, True, False)


async def test_endpoints_are_listed_in_pages_and_bounded(world: Running, receiver: Receiver, ada: str):
    made = [await register(world, receiver, ada) for _ in range(10)]
    status, problem = await world.request("POST", "/webhooks", {"url": receiver.url, "events": ["*"]}, by=ada)
    assert (status, problem["type"]) == (409, "urn:problem:marketplace:conflict")
    assert problem["detail"] == "You have 10 endpoints, the most there can be: delete one first."
    read, cursor = [], ""
    while True:
        _, page = await world.request("GET", f"/webhooks?limit=3{cursor}", by=ada)
        read += [f"/webhooks/{each['endpoint_id']}" for each in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert read == made


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"url": "https://example.com/"},
        {"url": "https://example.com/", "events": []},
        {"url": "https://example.com/", "events": ["orders"]},
        {"url": "https://example.com/", "events": ["checkout.order-lost.v1"]},
        {"url": "https://example.com/", "events": ["checkout.payment-due.v1"]},
        {"url": "https://example.com/", "events": ["checkout.*"], "secret": "mine"},
        {"url": "https://no-such-host.invalid/", "events": ["*"]},
        {"url": "https://user@example.com/", "events": ["*"]},
        {"url": "https://0x7f.1/", "events": ["*"]},
        {"url": "ftp://example.com/", "events": ["*"]},
    ],
)
async def test_an_invalid_endpoint_is_refused(world: Running, body: dict[str, Any]):
    status, problem = await world.request("POST", "/webhooks", body, by="ada")
    assert status == 422
    assert problem["type"].startswith("urn:problem:marketplace:")


@pytest.mark.parametrize(
    ("field", "value", "pointer", "detail"),
    [
        ("events", ["orders"], "/body/events/0", "Write *, checkout.*, or a type such as checkout.order-placed.v1."),
        ("events", [], "/body/events", "The list's length must be at least 1."),
        ("url", "ftp://example.com/", "/body/url", "Write https://host/path, in ASCII."),
    ],
)
async def test_the_error_of_an_invalid_endpoint_is_a_sentence(
    world: Running, field: str, value: object, pointer: str, detail: str
):
    body = {"url": "https://example.com/", "events": ["*"]} | {field: value}
    _, problem = await world.request("POST", "/webhooks", body, by="ada")
    assert problem["errors"] == [{"pointer": pointer, "detail": detail}]


async def test_the_error_of_a_pattern_without_events_lists_valid_types(world: Running):
    body = {"url": "https://example.com/", "events": ["nosuch.*"]}
    _, problem = await world.request("POST", "/webhooks", body, by="ada")
    assert "No webhook is sent for nosuch.*: write *, checkout.*, or one of these: " in problem["detail"]


async def test_a_lost_turn_of_an_endpoint_is_replaced(world: Running, receiver: Receiver, ada: str):
    path = await register(world, receiver, ada)
    receiver.status = 503
    event = delivered(ada)
    id = await world.publish(event)
    await until_tried(world, path, id, ada)
    lost = (
        "delete from messaging.scheduled"
        " where type = 'notifications.webhook-due.v1' and subject = $1 and holder is null returning id"
    )

    async def lose() -> bool:
        return bool(await world.database.fetch(lost, path.rpartition("/")[2]))

    await until(lose)
    receiver.status = 204
    await until_delivery(world, path, id, ada, state="delivered")
