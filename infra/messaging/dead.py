"""Giving a message up: how it travels to the dead-letter queue, and how it is read there again."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from pamqp.commands import Basic
from pamqp.common import FieldTable

from infra.messaging.wire import PERSISTENT, PREFIX
from infra.storage import new_id
from infra.storage.dead_letters import DeadLetter

MAX_ERROR_CHARACTERS = 8 * 1024
MAX_HEADER_CHARACTERS = 1024
MAX_HEADERS = 40
MAX_NAME_BYTES = 128
OWN = "dead_"
USER = OWN + "user"
"""Who published it, where nobody has checked that yet: only its event's owner may have it replayed."""


def scalars(headers: Mapping[str, Any] | None) -> dict[str, str | int]:
    """The headers worth keeping: short texts and integers, none of the broker's own `x-…`."""
    kept: dict[str, str | int] = {}
    for name, value in (headers or {}).items():
        if name.startswith(("x-", OWN)) or len(kept) == MAX_HEADERS or too_long(name) or "\0" in name:
            continue
        if (
            isinstance(value, bool)
            or not isinstance(value, str | int)
            or (isinstance(value, int) and abs(value) >= 2**63)
        ):
            continue
        kept[name] = value[:MAX_HEADER_CHARACTERS].replace("\0", "�") if isinstance(value, str) else value
    return kept


def unchecked(properties: Basic.Properties) -> dict[str, str | int]:
    """The headers of a message that was not read as an event, with who published it."""
    return scalars(properties.headers) | {USER: properties.user_id or ""}


def too_long(name: str) -> bool:
    """Whether a header's name does not fit the wire, where the client would cut it: 128 bytes."""
    return len(name.encode(errors="replace")) > MAX_NAME_BYTES


def key_of(subscription: str, event_id: UUID | None, body: bytes, message_id: str | None) -> str:
    """The same for every copy of one death: by the event's id, or by what the broker delivered."""
    if event_id is not None:
        return f"{subscription}/{event_id}"
    return f"{subscription}/{message_id or ''}/{hashlib.sha256(body).hexdigest()}"


def properties_of_dead(letter: DeadLetter, content_type: str | None, user: str) -> Basic.Properties:
    """AMQP properties under which `letter` goes to the dead-letter exchange; the body goes untouched."""
    headers: FieldTable = {
        **letter.headers,
        OWN + "key": letter.key,
        OWN + "subscription": letter.subscription,
        OWN + "reason": letter.reason,
        OWN + "error": letter.error[:MAX_ERROR_CHARACTERS],
        OWN + "attempts": letter.attempts,
    }
    if letter.failed_at is not None:
        headers[OWN + "failed_at"] = letter.failed_at.isoformat()
    return Basic.Properties(
        content_type=content_type,
        delivery_mode=PERSISTENT,
        headers=headers,
        message_id=str(new_id()),
        user_id=user,
    )


def letter_of(properties: Basic.Properties, body: bytes, service: str) -> DeadLetter:
    """Read a message of the dead-letter queue.

    Our own word for why it died counts only if we published it; else the broker dead-lettered it.
    """
    headers: Mapping[str, Any] = properties.headers or {}
    event_id = _uuid(headers.get(PREFIX + "id"))
    type = headers.get(PREFIX + "type")
    type = type[:255] if isinstance(type, str) else None
    if properties.user_id != service or OWN + "key" not in headers:
        queue = str(headers.get("x-first-death-queue", "unknown"))
        return DeadLetter(
            key=key_of(queue, event_id, body, properties.message_id),
            subscription=queue.removeprefix(f"{service}."),
            event_id=event_id,
            type=type,
            reason=f"broker-{headers.get('x-first-death-reason', 'unknown')}",
            error="dead-lettered by the broker itself",
            attempts=0,
            failed_at=None,
            headers=unchecked(properties),
            body=body,
        )
    kept = scalars(headers) | ({USER: str(headers[USER])} if USER in headers else {})
    failed_at = headers.get(OWN + "failed_at")
    return DeadLetter(
        key=str(headers[OWN + "key"]),
        subscription=str(headers.get(OWN + "subscription")),
        event_id=event_id,
        type=type,
        reason=str(headers.get(OWN + "reason")),
        error=str(headers.get(OWN + "error")),
        attempts=int(headers.get(OWN + "attempts", 0)),
        failed_at=None if failed_at is None else datetime.fromisoformat(str(failed_at)),
        headers=kept,
        body=body,
    )


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(str(value))
    except ValueError:
        return None
