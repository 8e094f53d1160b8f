"""Reading what a strict client would choke on.

The broker passes on properties and headers that its client library can't decode: a timestamp in the year
146,140,482, text that is no UTF-8. The library answers by closing the connection, the broker by delivering
the message again: one such message would stop a subscription for ever. Here it becomes a readable oddity,
which the envelope's own checks then refuse.
"""

from contextlib import suppress
from typing import Any

from pamqp import common, decode

UNREADABLE = (ValueError, ArithmeticError, OSError, RecursionError, LookupError)


def install() -> None:
    """Make the decoders of this process tolerant. Safe to repeat."""
    decode.METHODS["shortstr"] = _short_text
    decode.METHODS["timestamp"] = decode.TABLE_MAPPING[b"T"] = _timestamp
    decode.METHODS["table"] = decode.TABLE_MAPPING[b"F"] = _table
    decode.TABLE_MAPPING[b"A"] = _array


def _short_text(value: bytes) -> tuple[int, str]:
    length = value[0]
    return length + 1, value[1 : length + 1].decode("utf-8", errors="replace")


def _timestamp(value: bytes) -> tuple[int, Any]:
    try:
        return decode.timestamp(value)
    except UNREADABLE:
        return 8, None


def _table(value: bytes) -> tuple[int, dict[str, Any]]:
    """What can be read of a table, which ends where it says: one odd name takes nothing from the others."""
    offset, end = 4, 4 + int(common.Struct.integer.unpack(value[:4])[0])
    table: dict[str, Any] = {}
    with suppress(*UNREADABLE):
        while offset < end:
            named = offset + 1 + value[offset]
            length, content = decode.embedded_value(value[named:end])
            table[value[offset + 1 : named].decode("utf-8", errors="replace")] = content
            offset = named + length
    return end, table


def _array(value: bytes) -> tuple[int, Any]:
    """An array, or None in place of one that can't be read."""
    try:
        return decode.field_array(value)
    except UNREADABLE:
        return 4 + int(common.Struct.integer.unpack(value[:4])[0]), None
