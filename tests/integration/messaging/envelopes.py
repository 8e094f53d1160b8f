"""Builds envelopes and properties of messages as publishers do."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

from pamqp.commands import Basic

from contracts import Envelope
from contracts.cart import CartCheckedOutV1
from marketplace_runtime.amqp import properties_of
from marketplace_runtime.database import new_id
from marketplace_runtime.telemetry import new_traceparent


def an_envelope(event: CartCheckedOutV1, age: timedelta) -> Envelope:
    """Return the envelope of an event that was published `age` ago."""
    made = datetime.now(UTC) - age
    id = UUID(int=int(made.timestamp() * 1000) << 80 | new_id().int & (1 << 80) - 1)
    return Envelope(id, event.type, "cart", event.subject, made, new_traceparent())


def good_properties() -> Basic.Properties:
    envelope = Envelope(new_id(), CartCheckedOutV1.type, "cart", "x", datetime.now(UTC), new_traceparent())
    return properties_of(envelope, "cart")
