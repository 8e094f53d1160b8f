"""A consumer refuses an event that it cannot deduplicate, with a reason."""

from datetime import UTC, datetime

import pytest

from contracts.cart import CartCheckedOutV1
from marketplace_runtime.amqp import CLOUDEVENTS_PREFIX, IncomingMessage, properties_of
from marketplace_runtime.consumer import UnreadableMessage, decode_message, on, subscription
from marketplace_runtime.database import Transaction, new_id
from marketplace_runtime.events import Envelope
from marketplace_runtime.replay.window import ReplayWindow
from marketplace_runtime.telemetry import new_traceparent


async def handle(_: CartCheckedOutV1, __: Transaction) -> None: ...


@pytest.mark.parametrize(
    ("id", "reason"),
    [
        ("7fe7943c-bf8c-4ee1-bf3b-f7ff72f5e558", "unusable-id"),
        ("01000000-0000-7000-8000-000000000000", "too-old"),
        ("ff000000-0000-7000-8000-000000000000", "from-the-future"),
    ],
)
def test_an_event_that_cannot_be_deduplicated_is_refused(id: str, reason: str) -> None:
    envelope = Envelope(new_id(), CartCheckedOutV1.type, "cart", "42", datetime.now(UTC), new_traceparent())
    properties = properties_of(envelope, user="cart")
    properties.headers = {**(properties.headers or {}), CLOUDEVENTS_PREFIX + "id": id}
    found = decode_message(
        IncomingMessage(b"{}", properties, 1, ReplayWindow()), subscription("carts", on(CartCheckedOutV1, handle))
    )
    assert isinstance(found, UnreadableMessage)
    assert found.why.reason == reason
