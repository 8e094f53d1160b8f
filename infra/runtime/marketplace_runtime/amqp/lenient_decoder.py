"""Makes the AMQP client accept properties and headers that it cannot decode.

The broker passes on values that the client library cannot decode: a timestamp in the year 146,140,482, or text that is
not UTF-8. The library then closes the connection, and the broker delivers the message again. So one such message would
block a subscription for ever. These decoders return a substitute instead, which the checks of the envelope refuse.
"""

from contextlib import suppress
from typing import Any

from pamqp import common, decode

DECODE_ERRORS = (ValueError, ArithmeticError, OSError, RecursionError, LookupError)


def install() -> None:
    """Make the decoders of this process lenient. Safe to repeat."""
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
    except DECODE_ERRORS:
        return 8, None


def _table(value: bytes) -> tuple[int, dict[str, Any]]:
    """Decode what can be read of a table, up to its stated length. In names, bytes that are not UTF-8 are replaced."""
    offset, end = 4, 4 + int(common.Struct.integer.unpack(value[:4])[0])
    table: dict[str, Any] = {}
    with suppress(*DECODE_ERRORS):
        while offset < end:
            name_end = offset + 1 + value[offset]
            length, content = decode.embedded_value(value[name_end:end])
            table[value[offset + 1 : name_end].decode("utf-8", errors="replace")] = content
            offset = name_end + length
    return end, table


def _array(value: bytes) -> tuple[int, Any]:
    """Decode an array; None if it cannot be read."""
    try:
        return decode.field_array(value)
    except DECODE_ERRORS:
        return 4 + int(common.Struct.integer.unpack(value[:4])[0]), None
