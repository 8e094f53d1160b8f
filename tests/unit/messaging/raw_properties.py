"""Properties of a message as raw bytes: anything that the broker accepts, even if no well-behaved client sends it."""

import struct
from typing import ClassVar

from hypothesis import strategies as st
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from marketplace_runtime.amqp import lenient_decoder

lenient_decoder.install()

CONTENT_TYPE, CONTENT_ENCODING, HEADERS, DELIVERY_MODE, PRIORITY, CORRELATION_ID, REPLY_TO = range(15, 8, -1)
MESSAGE_ID, TIMESTAMP, TYPE, USER_ID, APP_ID = range(7, 2, -1)
SHORTS = (CONTENT_TYPE, CONTENT_ENCODING, CORRELATION_ID, REPLY_TO, MESSAGE_ID, TYPE, APP_ID)
"""Flags of the fields that are present, in their order. The broker itself validates `expiration` and `user_id`."""

FULL = {f"h{number}": "\U0001f4a5" * (1024 if number else 883) for number in range(32)}
"""Headers that almost fill a frame."""

bad_texts = st.sampled_from([b"a\0b", b"\0" * 255, b"\xff" * 255, b"\xed\xa0\x80", "\U0001f4a5".encode() * 63, b""])
shorts = bad_texts | st.binary(max_size=255)
longs = bad_texts | st.binary(max_size=300) | st.integers(1, 9000).map(lambda size: b"\0" * size)
known = st.sampled_from(
    [
        *(b"cloudEvents_" + each for each in (b"id", b"type", b"source", b"subject", b"time", b"specversion")),
        *(b"dead_key", b"dead_attempts", b"dead_error", b"dead_failed_at", b"dead_user", b"dead_subscription"),
        *(b"x-first-death-queue", b"x-first-death-reason", b"x-delivery-count"),
    ]
)


def long(tag: bytes, content: bytes) -> bytes:
    return tag + struct.pack(">I", len(content)) + content


def short(content: bytes) -> bytes:
    return bytes([len(content)]) + content


def fixed(tag: bytes, size: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=size, max_size=size).map(lambda content: tag + content)


plain = st.one_of(
    longs.map(lambda content: long(b"S", content)),
    longs.map(lambda content: long(b"x", content)),
    st.just(b"V"),
    st.booleans().map(lambda value: b"t" + bytes([value])),
    st.floats(allow_nan=False, allow_infinity=False).map(lambda value: b"d" + struct.pack(">d", value)),
    *(fixed(tag, size) for tag, size in [(b"I", 4), (b"l", 8), (b"T", 8), (b"s", 2)]),
)
"""Values of headers. The broker closes the connection of a publisher that sends decimals, NaN or infinity."""


def tables(values: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    names = known | shorts.filter(lambda name: name not in (b"CC", b"BCC"))
    pairs = st.tuples(names.map(short), values).map(b"".join)
    return st.lists(pairs, max_size=8).map(b"".join)


values = st.recursive(
    plain,
    lambda inner: st.one_of(
        tables(inner).map(lambda content: long(b"F", content)),
        st.lists(inner, max_size=4).map(lambda items: long(b"A", b"".join(items))),
    ),
    max_leaves=6,
)


class Odd(Basic.Properties):
    """Properties that are sent as exactly these bytes."""

    __slots__: ClassVar[list[str]] = ["raw"]

    def __init__(self, raw: bytes) -> None:
        super().__init__(message_id="the client wants one")
        self.raw = raw

    def __repr__(self) -> str:
        return f"Odd({self.raw!r})"

    def marshal(self) -> bytes:
        return self.raw

    def received(self) -> Basic.Properties:
        """Return the properties that a consumer receives."""
        header = ContentHeader()
        header.unmarshal(ContentHeader(properties=self).marshal())
        return header.properties


def odd(parts: dict[int, bytes]) -> Odd:
    flags = sum(1 << flag for flag in parts)
    return Odd(struct.pack(">H", flags) + b"".join(parts[flag] for flag in sorted(parts, reverse=True)))


def odd_properties() -> st.SearchStrategy[Odd]:
    """Return a strategy for any properties that the broker forwards."""
    fields: dict[int, st.SearchStrategy[bytes]] = {flag: shorts.map(short) for flag in SHORTS}
    fields |= {
        HEADERS: tables(values).map(lambda content: long(b"", content)),
        DELIVERY_MODE: st.sampled_from([b"\1", b"\2"]),  # the broker refuses any other
        PRIORITY: st.binary(min_size=1, max_size=1),
        TIMESTAMP: st.binary(min_size=8, max_size=8),
    }
    return st.fixed_dictionaries({}, optional=fields).map(odd)
