"""The client's own codec reads the frames that we encode by hand."""

import pamqp.frame
from hypothesis import given
from hypothesis import strategies as st
from pamqp.body import ContentBody
from pamqp.commands import Basic
from pamqp.frame import FrameTypes
from pamqp.header import ContentHeader

from marketplace_runtime.amqp import publish_frames

short = st.text(max_size=60)


def read(data: bytes) -> list[tuple[int, FrameTypes]]:
    found = []
    while data:
        size, channel, frame = pamqp.frame.unmarshal(data)
        found.append((channel, frame))
        data = data[size:]
    return found


@given(
    channel=st.integers(1, 65535),
    routing_key=short,
    headers=st.dictionaries(short, st.text(max_size=400), max_size=9),
    message_id=short,
    user_id=short,
    body=st.binary(max_size=2000),
    frame_max=st.integers(64, 4096),
)
def test_a_published_message_is_read_unchanged(
    channel: int,
    routing_key: str,
    headers: dict[str, str],
    message_id: str,
    user_id: str,
    body: bytes,
    frame_max: int,
) -> None:
    data = publish_frames.encode_publish(
        channel,
        exchange="cart.events",
        routing_key=routing_key,
        content_type="application/json",
        headers=headers,
        message_id=message_id,
        user_id=user_id,
        body=body,
        frame_max=frame_max,
    )
    (_, publish), (_, header), *pieces = found = read(data)
    assert {number for number, _ in found} == {channel}
    assert isinstance(publish, Basic.Publish)
    assert (publish.exchange, publish.routing_key) == ("cart.events", routing_key)
    assert isinstance(header, ContentHeader)
    assert header.body_size == len(body)
    properties = Basic.Properties(
        content_type="application/json",
        delivery_mode=2,
        headers=dict(headers),
        message_id=message_id,
        user_id=user_id,
    )
    assert dict(header.properties) == dict(properties) | {"headers": headers or {}}
    assert b"".join(piece.value for _, piece in pieces if isinstance(piece, ContentBody)) == body
    assert all(isinstance(piece, ContentBody) and len(piece) + 8 <= frame_max for _, piece in pieces)
