"""Use cases of webhooks: store a delivery for each endpoint that an event is for, and send them in turns.

A *turn* sends the due deliveries of one endpoint, up to a limit. An endpoint has one turn at a time. Scheduling a turn
is not publishing: of these use cases, only `record_turn` publishes an event, and the others declare none.
"""

import json
import random
from collections.abc import Sequence
from datetime import datetime

from contracts import Envelope, Event
from contracts.catalog import (
    PriceChangedV1,
    ProductDiscontinuedV1,
    ProductListedV1,
    ProductRestockedV1,
    ProductSoldOutV1,
    StockRunningLowV1,
)
from contracts.checkout import (
    OrderCancelledV1,
    OrderConfirmedV1,
    OrderDeliveredV1,
    OrderPlacedV1,
    PaymentRefundedV1,
)
from contracts.delivery import ShipmentDispatchedV2, ShipmentFailedV1
from contracts.notifications import WebhookDisabledV1, WebhookDueV1
from marketplace_runtime.database import Transaction, publishes
from notifications.webhooks import store
from notifications.webhooks.domain import Answer, Delivery, Endpoint, State, new_secret
from notifications.webhooks.gateways import Message, Turn
from notifications.webhooks.publishing import publish_endpoint_changes
from notifications.webhooks.settings import webhooks

PUBLIC_EVENTS: tuple[type[Event], ...] = (
    ProductListedV1,
    PriceChangedV1,
    ProductDiscontinuedV1,
    ProductSoldOutV1,
    ProductRestockedV1,
)
"""Events that are sent to anyone: the catalog shows the same facts to all."""
WEBHOOK_EVENTS: tuple[type[Event], ...] = (
    *PUBLIC_EVENTS,
    StockRunningLowV1,
    OrderPlacedV1,
    OrderConfirmedV1,
    OrderCancelledV1,
    PaymentRefundedV1,
    OrderDeliveredV1,
    ShipmentDispatchedV2,
    ShipmentFailedV1,
    WebhookDisabledV1,
)
"""All events that may be sent by a webhook."""
PERSON_FIELDS = ("customer_id", "seller_id", "person_id")
"""The fields that name the person whom an event concerns."""
MAX_ENDPOINTS_PER_PERSON = 10
"""Endpoints that one person may have."""


class TooManyEndpoints(Exception):
    """The owner has `MAX_ENDPOINTS_PER_PERSON` endpoints. The message says what to do."""


class EndpointDisabled(Exception):
    """The endpoint is disabled: enable it first."""


@publishes()
async def register(tx: Transaction, owner: str, url: str, events: Sequence[str], *, everyones: bool) -> Endpoint:
    """Register an endpoint at `url` for `events` from now on. Raises `TooManyEndpoints`.

    `everyones` is for operators: the endpoint is sent everyone's events, also those that concern other people than its
    owner.
    """
    if await store.count_endpoints(tx, owner) >= MAX_ENDPOINTS_PER_PERSON:
        raise TooManyEndpoints(
            f"You have {MAX_ENDPOINTS_PER_PERSON} endpoints, the most there can be: delete one first."
        )
    endpoint = Endpoint(tx.new_id(), owner, url, list(events), everyones, tx.now, new_secret())
    tx.add(endpoint)
    return endpoint


async def load_candidates(events: Sequence[Event], tx: Transaction) -> None:
    """Lock and load the endpoints that a batch of events may be for."""
    people = {person for event in events if (person := person_in(event)) is not None}
    await store.load_candidates(tx, people, public=any(isinstance(event, PUBLIC_EVENTS) for event in events))


@publishes()
async def create_deliveries(event: Event, tx: Transaction) -> None:
    """Store a delivery for each endpoint that the event is for, and schedule the endpoint's next turn.

    A disabled endpoint gets no turn. Its delivery is stored as missed, up to `MAX_MISSED_EVENTS` per endpoint.
    """
    if tx.cause is None:
        raise RuntimeError("create_deliveries needs the event's envelope: call it from a subscription")
    public, person, now = isinstance(event, PUBLIC_EVENTS), person_in(event), tx.now
    recipients = [each for each in store.candidates(tx) if each.receives(event.type, person, public=public)]
    if not recipients:
        return
    body = to_cloudevent_json(event, tx.cause)
    for endpoint in recipients:
        fields = endpoint.endpoint_id, tx.cause.id, event.type, body, now
        if not endpoint.disabled:
            tx.add(Delivery(*fields, due_at=now))
            publish_endpoint_changes(tx, endpoint, endpoint.schedule_turn(at=now, now=now))
        elif endpoint.accept_missed_event():
            tx.add(Delivery.create_missed(*fields))


async def load_endpoints(events: Sequence[WebhookDueV1], tx: Transaction) -> None:
    """Lock and load the endpoints whose turns are due in a batch."""
    await tx.preload(Endpoint, [event.endpoint_id for event in events])


@publishes()
async def prepare_turn(event: WebhookDueV1, tx: Transaction) -> Turn | None:
    """Start a turn: return the messages to send to the endpoint now.

    None if the endpoint was deleted or disabled, the turn was replaced, or nothing is due.
    """
    endpoint, now = await tx.get(Endpoint, event.endpoint_id), tx.now
    if endpoint is None or endpoint.disabled or endpoint.turn != event.turn:
        return None
    due = await store.due_deliveries(tx, endpoint, now)
    if not due:
        await _end_turn(endpoint, now, tx)
        return None
    endpoint.turn_at = now  # `TURN_LOST_AFTER` now counts from the actual start, which may be later than scheduled
    return Turn(endpoint.url, endpoint.secrets_at(now), [Message(each.event_id, each.body) for each in due])


@publishes(WebhookDisabledV1)
async def record_turn(event: WebhookDueV1, answers: Sequence[Answer], tx: Transaction) -> None:
    """Record the outcome of each request, and schedule the endpoint's next turn."""
    endpoint, now = await tx.get(Endpoint, event.endpoint_id), tx.now
    if endpoint is None:  # deleted meanwhile
        return
    policy, jitter = webhooks().policy, random.random()  # noqa: S311 - jitter
    sent = await store.deliveries_by_id(tx, endpoint.endpoint_id, [answer.event_id for answer in answers])
    for answer in answers:
        sent[answer.event_id].record_answer(answer, now, policy, jitter)
    if endpoint.turn != event.turn:  # this turn counted as lost, and was replaced
        return
    # An overrun endpoint has too many pending deliveries, and is disabled. Only a turn that reached its limit,
    # `max_concurrent_requests`, can have left due deliveries behind. After any other turn, the query is not needed.
    overrun = len(answers) == endpoint.max_concurrent_requests and await store.is_overrun(tx, endpoint.endpoint_id)
    publish_endpoint_changes(tx, endpoint, endpoint.record_answers(answers, now, policy, jitter, overrun=overrun))
    await store.prune(tx, endpoint.endpoint_id, now)
    await _end_turn(endpoint, now, tx)


@publishes()
async def enable(tx: Transaction, endpoint: Endpoint) -> None:
    """Enable the endpoint. Its pending deliveries are sent now."""
    publish_endpoint_changes(tx, endpoint, endpoint.enable(tx.now))


@publishes()
async def rotate_secret(tx: Transaction, endpoint: Endpoint) -> None:
    """Create a new secret. The previous one also signs for a while."""
    endpoint.rotate_secret(tx.now, webhooks().overlap)


@publishes()
async def redeliver(tx: Transaction, endpoint: Endpoint, delivery: Delivery) -> None:
    """Schedule one delivery again, now. Raises `EndpointDisabled`."""
    if endpoint.disabled:
        raise EndpointDisabled(EndpointDisabled.__doc__)
    now = tx.now
    if delivery.state is State.MISSED:
        endpoint.missed = max(endpoint.missed - 1, 0)
    delivery.reschedule(now)
    publish_endpoint_changes(tx, endpoint, endpoint.schedule_turn(at=now, now=now))


@publishes()
async def redeliver_missed(tx: Transaction, endpoint: Endpoint) -> int:
    """Schedule the oldest events that the endpoint missed while disabled, at most `MAX_REDELIVERED_PER_REQUEST`.

    Returns their number. Raises `EndpointDisabled`.
    """
    if endpoint.disabled:
        raise EndpointDisabled(EndpointDisabled.__doc__)
    now = tx.now
    scheduled = await store.make_missed_due(tx, endpoint.endpoint_id, now)
    endpoint.missed = await store.count_missed(tx, endpoint.endpoint_id)
    publish_endpoint_changes(tx, endpoint, endpoint.schedule_turn(at=now, now=now))
    return scheduled


@publishes()
async def forget_missed(tx: Transaction) -> int:
    """Delete expired deliveries of disabled endpoints, such as events that the endpoint missed.

    For enabled endpoints, each turn does that. Returns 0, since a sweep returns how many stuck items it restarted, and
    this one restarts none. Logs identify a sweep by its name, so the name stays.
    """
    await store.prune_disabled(tx, tx.now)
    return 0


@publishes()
async def find_forgotten(tx: Transaction) -> int:
    """Schedule a turn for endpoints that were forgotten: their turn was lost, so nothing is sent to them.

    Returns how many. The name stays, since it is a label of the metric `swept_total`.
    """
    now, endpoints = tx.now, await store.endpoints_with_lost_turn(tx)
    for endpoint in endpoints:
        endpoint.turn_at = None
        publish_endpoint_changes(tx, endpoint, endpoint.schedule_turn(at=now, now=now))
    return len(endpoints)


def person_in(event: Event) -> str | None:
    """Return the id (subject of the access token) of the person whom an event concerns. None if it names nobody."""
    return next((value for name in PERSON_FIELDS if (value := getattr(event, name, None)) is not None), None)


def to_cloudevent_json(event: Event, envelope: Envelope) -> str:
    """Return the event as a CloudEvent in structured mode.

    See https://github.com/cloudevents/spec, JSON event format 1.0.
    """
    return json.dumps(
        {
            "specversion": "1.0",
            "id": str(envelope.id),
            "type": envelope.type,
            "source": envelope.source,
            "subject": envelope.subject,
            "time": envelope.time.isoformat(),
            "datacontenttype": "application/json",
            "data": event.model_dump(mode="json", exclude_none=True),
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


async def _end_turn(endpoint: Endpoint, now: datetime, tx: Transaction) -> None:
    endpoint.turn_at = None
    at = await store.next_due_at(tx, endpoint.endpoint_id)
    if at is not None:
        publish_endpoint_changes(tx, endpoint, endpoint.schedule_turn(at=at, now=now))
