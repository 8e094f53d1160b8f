"""Reading what a strict client would choke on.

The broker passes on properties and headers that its client library can't decode: a timestamp in the year
146,140,482, text that is no UTF-8. The library answers by closing the connection, the broker by delivering
the message again: one such message would stop a subscription for ever. Here it becomes a readable oddity,
which the envelope's own checks then refuse.
"""

from collections.abc import Callable
from typing import Any

from pamqp import common, decode

Decoder = Callable[[bytes], tuple[int, Any]]

UNREADABLE = (ValueError, ArithmeticError, OverflowError, OSError, RecursionError, KeyError)


def install() -> None:
    """Make the decoders of this process tolerant. Safe to repeat."""
    decode.METHODS["shortstr"] = _short_text
    decode.METHODS["timestamp"] = decode.TABLE_MAPPING[b"T"] = _timestamp
    decode.METHODS["table"] = decode.TABLE_MAPPING[b"F"] = _or_nothing(decode.field_table)
    decode.TABLE_MAPPING[b"A"] = _or_nothing(decode.field_array)


def _short_text(value: bytes) -> tuple[int, str]:
    length = value[0]
    return length + 1, value[1 : length + 1].decode("utf-8", errors="replace")


def _timestamp(value: bytes) -> tuple[int, Any]:
    try:
        return decode.timestamp(value)
    except UNREADABLE:
        return 8, None


def _or_nothing(decoder: Decoder) -> Decoder:
    """`decoder`, or None in place of a value that it can't read; both know the length in advance."""

    def read(value: bytes) -> tuple[int, Any]:
        try:
            return decoder(value)
        except UNREADABLE:
            return 4 + int(common.Struct.integer.unpack(value[0:4])[0]), None

    return read
