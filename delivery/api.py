"""HTTP API of delivery: a customer's own address and shipments, and the tracking callback of carriers."""

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import pycountry
from fastapi import Request, Response
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from standardwebhooks import Webhook, WebhookVerificationError

from delivery import handlers, store
from delivery.domain import Aim, Failure, PostalAddress, Shipment, Status, WrongCarrier
from delivery.settings import webhooks
from marketplace_runtime.http import (
    Caller,
    Matching,
    NotFound,
    PersonPath,
    Problem,
    Router,
    Tx,
    Unprocessable,
    require_owner,
)
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)
router = Router()

Line = Annotated[
    str,
    Field(min_length=1, max_length=200),
    Matching(r"^[^\x00-\x1f\x7f]*$", "One line, without control characters."),
]
PostalCode = Annotated[
    str,
    Field(min_length=1, max_length=16),
    Matching(r"^[A-Za-z0-9 -]+$", "Letters, digits, spaces and hyphens only."),
]

NO_SHIPMENT = "There is no shipment for this order, or not yet, or it is not yours."


COUNTRIES = sorted(each.alpha_2 for each in pycountry.countries)
"""The alpha-2 codes of ISO 3166-1."""


def validate_country(code: str) -> str:
    """Return `code` if it is in `COUNTRIES`. Raises ValueError if it is not."""
    if code not in COUNTRIES:
        suggestion = code.upper() if code.upper() in COUNTRIES else "two capital letters, such as DE"
        raise ValueError(f"{code} is no country of ISO 3166-1: write {suggestion}.")
    return code


class BadSignature(Problem):
    status, slug, title = 401, "bad-signature", "A carrier must sign what it sends"

    def __init__(self) -> None:
        detail = "The webhook's signature is missing, wrong, or too old."
        super().__init__(detail, headers={"WWW-Authenticate": "Standard-Webhooks"})


class AddressBody(BaseModel):
    """A delivery address."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Line
    street: Line
    city: Line
    postal_code: PostalCode
    country: Annotated[str, Field(description="ISO 3166-1 alpha-2 code")]


class AddressIn(AddressBody):
    country: Annotated[str, AfterValidator(validate_country), Field(json_schema_extra={"enum": COUNTRIES})]


class ShipmentBody(BaseModel):
    """The shipment of an order: its status, carrier and times."""

    order_id: UUID
    shipment_id: UUID
    status: Status
    carrier: str | None
    tracking_code: str | None
    failure: Failure | None
    scheduled_at: datetime
    dispatched_at: datetime | None
    delivered_at: datetime | None


class TrackedParcel(BaseModel):
    """The parcel that a carrier's callback is about."""

    shipment_id: UUID
    order_id: UUID
    tracking_code: Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[!-~]+$")]
    carrier: Literal["a", "b"]


class Tracking(BaseModel):
    """A tracking message that a carrier sends."""

    type: Literal["shipment.dispatched", "shipment.delivered"]
    timestamp: datetime
    data: TrackedParcel


@router.put("/addresses/{customer}")
async def put_address(customer: PersonPath, body: AddressIn, caller: Caller, tx: Tx) -> AddressBody:
    """Set the address for orders placed from now on. Earlier orders still go to the address of their time."""
    require_owner(caller, customer)
    await handlers.record_address(tx, customer, PostalAddress(**body.model_dump()))
    return body


@router.get("/addresses/{customer}")
async def get_address(customer: PersonPath, caller: Caller, tx: Tx) -> AddressBody:
    """Return the caller's own address."""
    require_owner(caller, customer)
    address = await store.address_for_reading(tx, customer)
    if address is None:
        raise NotFound("There is no address; PUT one here.")
    return AddressBody.model_validate(address.place, from_attributes=True)


@router.delete("/addresses/{customer}", status_code=204)
async def delete_address(customer: PersonPath, caller: Caller, tx: Tx) -> None:
    """Erase the address and all earlier ones. Parcels that no carrier has booked yet wait for a new address."""
    require_owner(caller, customer)
    await handlers.erase_address(tx, customer)


@router.get("/shipments/{order_id}")
async def get_shipment(order_id: UUID, caller: Caller, tx: Tx) -> ShipmentBody:
    """Return the shipment of the caller's own order."""
    shipment = await store.shipment_for_reading(tx, order_id)
    if shipment is None:
        raise NotFound(NO_SHIPMENT)
    require_owner(caller, shipment.customer_id, NO_SHIPMENT)
    return _to_response(shipment)


@router.post(
    "/carriers/{carrier}/tracking",
    status_code=204,
    responses={401: {}},
    openapi_extra={"requestBody": {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}},
)
async def post_tracking(carrier: Literal["a", "b"], request: Request, tx: Tx) -> Response:
    """Receive a carrier's signed tracking callback (Standard Webhooks). It may be sent any number of times."""
    body = await request.body()
    _verify(body, request)
    try:
        tracking = Tracking.model_validate_json(body)
    except ValidationError as error:
        raise Unprocessable(f"The body is not a valid tracking message: {error.error_count()} errors.") from error
    if tracking.data.carrier != carrier:
        raise Unprocessable(f"This is carrier {carrier}'s address, not {tracking.data.carrier}'s.")
    try:
        known = await handlers.track_shipment(
            tx,
            tracking.data.order_id,
            tracking.data.shipment_id,
            carrier,
            tracking.data.tracking_code,
            delivered=tracking.type == "shipment.delivered",
        )
    except WrongCarrier:
        # The callback is accepted, since a repetition could not succeed either. The log reports it to operators.
        log.error("tracking by a carrier that should not have the parcel", order_id=str(tracking.data.order_id))
        known = True
    if not known:
        raise NotFound("This shipment is not known here, or not yet; send it again.")
    return Response(status_code=204)


def _verify(body: bytes, request: Request) -> None:
    """Raise `BadSignature` unless the body is signed with the carriers' secret, within five minutes of now."""
    webhook = Webhook(webhooks().carrier_webhook_secret.get_secret_value())
    try:
        webhook.verify(body, dict(request.headers), json_parse=False)
    except (WebhookVerificationError, ValueError) as error:  # ValueError: malformed signature or body
        raise BadSignature from error


def _to_response(shipment: Shipment) -> ShipmentBody:
    is_rebooking = shipment.aim is Aim.REBOOK
    return ShipmentBody(
        order_id=shipment.order_id,
        shipment_id=shipment.shipment_id,
        status=Status.SCHEDULED if is_rebooking else shipment.status,
        carrier=None if is_rebooking or shipment.status is Status.SCHEDULED else shipment.carrier,
        tracking_code=shipment.tracking_code,
        failure=shipment.failure,
        scheduled_at=shipment.scheduled_at,
        dispatched_at=shipment.dispatched_at,
        delivered_at=shipment.delivered_at,
    )
