"""HTTP API for a person's own contact data, choices and notifications."""

import re
from datetime import datetime
from typing import Annotated
from uuid import UUID

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from marketplace_runtime.http import Caller, Cursor, NotFound, Page, PageSize, PersonPath, Router, Tx, require_owner
from notifications import store
from notifications.domain import Contact, Failure, Kind, Status

router = Router()

ATOM = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
LABEL = r"[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
ADDRESS = rf"^{ATOM}(\.{ATOM})*@{LABEL}(\.{LABEL})*$"


def validate_mail_address(text: str) -> str:
    """Return `text` if it is a mail address. Otherwise raises ValueError with a readable message."""
    if not re.fullmatch(ADDRESS, text, re.ASCII):
        raise ValueError("This is not a valid mail address: use one like ada@example.com, in ASCII.")
    return text


Email = Annotated[
    str,
    Field(
        max_length=254,
        description="an address of ASCII characters, without quotes or comments",
        examples=["ada@example.com"],
        json_schema_extra={"pattern": ADDRESS},
    ),
    AfterValidator(validate_mail_address),
]


class Choices(BaseModel):
    """The kinds of mail that a person wants."""

    model_config = ConfigDict(extra="forbid", strict=True)

    order_updates: bool = True
    reminders: bool = True


class ContactBody(BaseModel):
    """The mail address of a person, and the kinds of mail that they want."""

    model_config = ConfigDict(extra="forbid", strict=True)

    email: Email
    choices: Choices = Choices()


class NotificationOut(BaseModel):
    """A notification: its kind, what it is about, and whether it was sent."""

    notification_id: UUID
    kind: Kind
    about: str
    status: Status
    failure: Failure | None
    created_at: datetime
    sent_at: datetime | None


@router.put("/contacts/{person}")
async def put_contact(person: PersonPath, body: ContactBody, caller: Caller, tx: Tx) -> ContactBody:
    """Set the address and the choices for future mail."""
    require_owner(caller, person)
    await store.write_contact(tx, Contact(person, body.email, body.choices.order_updates, body.choices.reminders))
    return body


@router.get("/contacts/{person}")
async def get_contact(person: PersonPath, caller: Caller, tx: Tx) -> ContactBody:
    """Return the caller's own address and choices."""
    require_owner(caller, person)
    contact = await store.contact_for_reading(tx, person)
    if contact is None:
        raise NotFound("There is no contact data; PUT some here.")
    choices = Choices(order_updates=contact.order_updates, reminders=contact.reminders)
    return ContactBody(email=contact.email, choices=choices)


@router.delete("/contacts/{person}", status_code=204)
async def delete_contact(person: PersonPath, caller: Caller, tx: Tx) -> None:
    """Erase the address and the choices. No more mail is sent. The list of sent mail stays, without an address."""
    require_owner(caller, person)
    await store.erase_contact(tx, person)


@router.get("/notifications")
async def list_notifications(
    caller: Caller, tx: Tx, *, cursor: Cursor[UUID] = None, limit: PageSize = 20
) -> Page[NotificationOut]:
    """List the caller's own notifications, newest first."""
    found = await store.messages_of(tx, caller.subject, after=cursor, limit=limit + 1)
    items = [NotificationOut.model_validate(message, from_attributes=True) for message in found]
    return Page.of(items, limit, key=lambda last: last.notification_id)
