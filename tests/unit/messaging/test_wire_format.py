"""An envelope is received as it was sent. Messages without a valid envelope are refused with a reason."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from contracts import Envelope
from marketplace_runtime.amqp import CLOUDEVENTS_PREFIX, InvalidMessage, envelope_of, properties_of
from marketplace_runtime.amqp.wire_format import MAX_BODY_BYTES
from marketplace_runtime.database import new_id
from marketplace_runtime.telemetry import new_traceparent

without_deadline = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=255)
zones = st.timedeltas(min_value=timedelta(hours=-23), max_value=timedelta(hours=23)).map(
    lambda offset: timezone(timedelta(minutes=offset // timedelta(minutes=1)))
)
envelopes = st.builds(
    Envelope,
    id=st.just(new_id()),
    type=st.sampled_from(["cart.cart-checked-out.v1", "cart.x.v12", "cart.a-b-c.v3"]),
    source=texts,
    subject=texts,
    time=st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30), timezones=zones),  # noqa: DTZ001 - they get one
    traceparent=st.just("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"),
    causation_id=st.none() | st.uuids(),
)


def over_the_wire(properties: Basic.Properties) -> Basic.Properties:
    """Return the properties after encoding them as AMQP and decoding them."""
    header = ContentHeader(body_size=0, properties=properties)
    received = ContentHeader()
    received.unmarshal(header.marshal())
    assert isinstance(received.properties, Basic.Properties)
    return received.properties


@without_deadline
@given(envelope=envelopes)
def test_an_envelope_is_received_as_it_was_sent(envelope: Envelope) -> None:
    received = envelope_of(over_the_wire(properties_of(envelope, user="cart")), 100)
    assert replace(received, traceparent=envelope.traceparent) == envelope
    assert received.traceparent[:35] == envelope.traceparent[:35], "not a child of the same trace"


@without_deadline
@given(envelope=envelopes)
def test_two_publishes_of_one_event_differ_in_message_id_only(envelope: Envelope) -> None:
    one, two = (properties_of(envelope, user="cart") for _ in range(2))
    assert one.message_id != two.message_id
    assert one.headers == two.headers
    assert one.delivery_mode == 2


def an_envelope(**changes: Any) -> Envelope:
    envelope = Envelope(new_id(), "cart.x.v1", "cart", "42", datetime.now(UTC), new_traceparent())
    return replace(envelope, **changes)


def broken(name: str, value: object) -> Basic.Properties:
    properties = properties_of(an_envelope(), user="cart")
    assert properties.headers is not None
    if value is None:
        del properties.headers[CLOUDEVENTS_PREFIX + name]
    else:
        properties.headers[CLOUDEVENTS_PREFIX + name] = value
    return properties


@pytest.mark.parametrize(
    ("name", "value", "reason"),
    [
        *((name, None, "bad-headers") for name in ("specversion", "id", "type", "source", "subject", "time")),
        *((name, 7, "bad-headers") for name in ("specversion", "id", "type", "source", "subject", "time")),
        ("specversion", "0.3", "bad-headers"),
        ("subject", "x" * 256, "bad-headers"),
        ("subject", "a\0b", "bad-headers"),
        ("id", "no-uuid", "bad-headers"),
        ("type", "CartCheckedOut", "bad-headers"),
        ("type", "checkout.order-placed.v1", "wrong-publisher"),
        ("time", "yesterday", "bad-headers"),
        ("time", "2024-02-29T12:00:00", "bad-headers"),
        ("time", "0001-01-01T00:00:00+14:00", "bad-headers"),
        ("time", "9999-12-31T23:59:59-14:00", "bad-headers"),
        ("causationid", "no-uuid", "bad-headers"),
    ],
)
def test_an_invalid_envelope_is_refused(name: str, value: object, reason: str) -> None:
    with pytest.raises(InvalidMessage) as caught:
        envelope_of(broken(name, value), 100)
    assert caught.value.reason == reason


def test_the_publisher_is_the_user_that_the_broker_verified() -> None:
    for user in ("checkout", None):
        properties = properties_of(an_envelope(), user="cart")
        properties.user_id = user
        with pytest.raises(InvalidMessage) as caught:
            envelope_of(properties, 100)
        assert caught.value.reason == "wrong-publisher"


def test_a_body_of_the_maximum_size_is_read_and_a_larger_one_is_refused() -> None:
    envelope_of(properties_of(an_envelope(), user="cart"), MAX_BODY_BYTES)
    with pytest.raises(InvalidMessage) as caught:
        envelope_of(properties_of(an_envelope(), user="cart"), MAX_BODY_BYTES + 1)
    assert caught.value.reason == "too-large"


headers = st.dictionaries(
    st.text(max_size=20)
    | st.sampled_from([CLOUDEVENTS_PREFIX + each for each in ("id", "type", "time", "subject", "source")]),
    st.none() | st.booleans() | st.integers() | st.text(max_size=300) | st.binary(max_size=20) | st.floats(),
)


@without_deadline
@given(headers=headers, content_type=st.none() | st.text(max_size=20) | st.just("application/json"))
def test_random_headers_are_refused_without_other_errors(headers: dict[str, Any], content_type: str | None) -> None:
    properties = Basic.Properties(content_type=content_type, headers=headers, user_id="cart")
    with pytest.raises(InvalidMessage):
        envelope_of(properties, 10)
