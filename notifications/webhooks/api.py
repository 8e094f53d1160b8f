"""HTTP API for a person's own webhook endpoints and their deliveries."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import Response
from pydantic import BaseModel, ConfigDict, Field

from marketplace_runtime.http import (
    NOT_FOUND_OR_NOT_OWNED,
    Caller,
    Conflict,
    Cursor,
    Forbidden,
    Matching,
    NotFound,
    Page,
    PageSize,
    Principal,
    Router,
    Tx,
    Unavailable,
    Unprocessable,
    require_owner,
)
from marketplace_runtime.resilience import BulkheadFull
from notifications.webhooks import gateways, handlers, store
from notifications.webhooks.domain import BadTarget, Delivery, DisabledReason, Endpoint, State, matches
from notifications.webhooks.settings import webhooks

router = Router(tags=["webhooks"])

Pattern = Annotated[
    str,
    Field(
        max_length=128,
        description="an event's type, or a pattern of types",
        examples=["checkout.order-placed.v1", "checkout.order-placed.*", "checkout.*", "*"],
    ),
    Matching(
        r"^(\*|[a-z]+\.(\*|[a-z]+(-[a-z]+)*\.(\*|v[1-9][0-9]{0,3})))$",
        "Write *, checkout.*, or a type such as checkout.order-placed.v1.",
    ),
]


Url = Annotated[
    str,
    Field(max_length=2000),
    Matching(r"^https?://[!-~]+$", "Write https://host/path, in ASCII."),
]


class NewEndpoint(BaseModel):
    """The URL of a new endpoint, and the events to send to it."""

    model_config = ConfigDict(extra="forbid", strict=True)

    url: Url
    events: Annotated[list[Pattern], Field(min_length=1, max_length=20)]
    everyones: bool = False
    """Whether events that concern other people are sent, too. For operators only."""


class EndpointOut(BaseModel):
    endpoint_id: UUID
    url: str
    events: list[str]
    everyones: bool
    enabled: bool
    disabled: DisabledReason | None
    """The reason why the endpoint is disabled. None if it is enabled."""
    failing_since: datetime | None
    created_at: datetime
    old_secret_until: datetime | None
    """The time until which requests are also signed with the secret before the last rotation."""
    missed: int
    """Number of events that were not sent while it was disabled. They are kept for 7 days, and can be redelivered."""


class EndpointWithSecret(EndpointOut):
    """An endpoint with its secret, which is shown only once: store it."""

    secret: str


class DeliveryOut(BaseModel):
    event_id: UUID
    """The `webhook-id` of the request."""
    type: str
    state: State
    attempts: int
    status: int | None
    """HTTP status of the last answer. None if there was none."""
    error: str | None
    created_at: datetime
    attempted_at: datetime | None
    due_at: datetime | None
    """When the event is sent next, unless the pause of its endpoint is longer. None once the delivery has ended."""


class Redelivered(BaseModel):
    redelivered: int
    missed: int
    """Number of missed events that remain."""


@router.post("/webhooks", status_code=201)
async def register(body: NewEndpoint, caller: Caller, tx: Tx, response: Response) -> EndpointWithSecret:
    """Register an endpoint. From now on, each of these events is sent to it at least once."""
    if body.everyones and "operator" not in caller.roles:
        raise Forbidden("`everyones` is for the role operator: leave it out, or use an operator's token.")
    for pattern in body.events:
        if not any(matches(pattern, event.type) for event in handlers.WEBHOOK_EVENTS):
            known = ", ".join(event.type for event in handlers.WEBHOOK_EVENTS)
            raise Unprocessable(f"No webhook is sent for {pattern}: write *, checkout.*, or one of these: {known}.")
    try:
        await gateways.check_target(body.url, webhooks())
        endpoint = await handlers.register(tx, caller.subject, body.url, body.events, everyones=body.everyones)
    except BadTarget as error:
        raise Unprocessable(f"No webhook can be sent there. {error}") from error
    except BulkheadFull as error:
        raise Unavailable("Too many host names are being resolved; try again in a moment.") from error
    except handlers.TooManyEndpoints as error:
        raise Conflict(str(error)) from error
    response.headers["Location"] = _path(endpoint)
    return _with_secret(endpoint)


@router.get("/webhooks")
async def list_endpoints(
    caller: Caller, tx: Tx, *, cursor: Cursor[UUID] = None, limit: PageSize = 20
) -> Page[EndpointOut]:
    """List the caller's own endpoints, oldest first."""
    found = await store.endpoints_of(tx, caller.subject, after=cursor, limit=limit + 1)
    return Page.of([_to_response(each) for each in found], limit, key=lambda last: last.endpoint_id)


@router.get("/webhooks/{endpoint_id}")
async def get_endpoint(endpoint_id: UUID, caller: Caller, tx: Tx) -> EndpointOut:
    """Return one of the caller's own endpoints, without its secret."""
    return _to_response(_owned(caller, await tx.peek(Endpoint, endpoint_id)))


@router.delete("/webhooks/{endpoint_id}", status_code=204)
async def delete_endpoint(endpoint_id: UUID, caller: Caller, tx: Tx) -> None:
    """Stop sending, and erase the endpoint with its secrets and deliveries."""
    endpoint = _owned(caller, await tx.get(Endpoint, endpoint_id))
    await store.erase(tx, endpoint, _path(endpoint))


@router.post("/webhooks/{endpoint_id}/enable")
async def enable_endpoint(endpoint_id: UUID, caller: Caller, tx: Tx) -> EndpointOut:
    """Enable the endpoint. Its pending deliveries are sent. Events missed while disabled can be redelivered."""
    endpoint = _owned(caller, await tx.get(Endpoint, endpoint_id))
    await handlers.enable(tx, endpoint)
    return _to_response(endpoint)


@router.post("/webhooks/{endpoint_id}/rotate")
async def rotate_secret(endpoint_id: UUID, caller: Caller, tx: Tx) -> EndpointWithSecret:
    """Create a new secret. Until `old_secret_until`, requests are also signed with the previous one."""
    endpoint = _owned(caller, await tx.get(Endpoint, endpoint_id))
    await handlers.rotate_secret(tx, endpoint)
    return _with_secret(endpoint)


@router.get("/webhooks/{endpoint_id}/deliveries")
async def list_deliveries(
    endpoint_id: UUID,
    caller: Caller,
    tx: Tx,
    *,
    state: State | None = None,
    cursor: Cursor[UUID] = None,
    limit: PageSize = 20,
) -> Page[DeliveryOut]:
    """List the pending deliveries of the endpoint, and the ended ones that are still kept, newest first."""
    _owned(caller, await tx.peek(Endpoint, endpoint_id))
    found = await store.deliveries_to(tx, endpoint_id, state=state, after=cursor, limit=limit + 1)
    return Page.of([_to_delivery_response(each) for each in found], limit, key=lambda last: last.event_id)


@router.post("/webhooks/{endpoint_id}/deliveries/{event_id}/redeliver", status_code=202)
async def redeliver(endpoint_id: UUID, event_id: UUID, caller: Caller, tx: Tx) -> DeliveryOut:
    """Send an event again, under the same `webhook-id`."""
    endpoint = _owned(caller, await tx.get(Endpoint, endpoint_id))
    found = await store.deliveries_by_id(tx, endpoint_id, [event_id])
    if event_id not in found:
        raise NotFound("There is no delivery of this event to the endpoint, or it is no longer kept.")
    try:
        await handlers.redeliver(tx, endpoint, found[event_id])
    except handlers.EndpointDisabled as error:
        raise Conflict(str(error)) from error
    return _to_delivery_response(found[event_id])


@router.post("/webhooks/{endpoint_id}/redeliver-missed", status_code=202)
async def redeliver_missed(endpoint_id: UUID, caller: Caller, tx: Tx) -> Redelivered:
    """Send the events that the endpoint missed while it was disabled, oldest first.

    Sends at most 10,000 events. Repeat the request for the rest.
    """
    endpoint = _owned(caller, await tx.get(Endpoint, endpoint_id))
    try:
        sent = await handlers.redeliver_missed(tx, endpoint)
    except handlers.EndpointDisabled as error:
        raise Conflict(str(error)) from error
    return Redelivered(redelivered=sent, missed=endpoint.missed)


def _owned(caller: Principal, endpoint: Endpoint | None) -> Endpoint:
    """Return the endpoint. Raises `NotFound` if there is none, or it is not the caller's."""
    if endpoint is None:
        raise NotFound(NOT_FOUND_OR_NOT_OWNED)
    require_owner(caller, endpoint.owner)
    return endpoint


def _path(endpoint: Endpoint) -> str:
    return f"/webhooks/{endpoint.endpoint_id}"


def _to_response(endpoint: Endpoint) -> EndpointOut:
    return EndpointOut(
        endpoint_id=endpoint.endpoint_id,
        url=endpoint.url,
        events=endpoint.events,
        everyones=endpoint.everyones,
        enabled=endpoint.disabled is None,
        disabled=endpoint.disabled,
        failing_since=endpoint.failing_since,
        created_at=endpoint.created_at,
        old_secret_until=endpoint.old_secret_until,
        missed=endpoint.missed,
    )


def _with_secret(endpoint: Endpoint) -> EndpointWithSecret:
    return EndpointWithSecret(**_to_response(endpoint).model_dump(), secret=endpoint.secret)


def _to_delivery_response(delivery: Delivery) -> DeliveryOut:
    return DeliveryOut.model_validate(delivery, from_attributes=True)
