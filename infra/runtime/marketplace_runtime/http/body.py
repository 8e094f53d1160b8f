"""Reads untrusted request bodies: limits their size and time, and accepts only JSON that PostgreSQL can store."""

import asyncio
import json
import math
import re
from collections.abc import Mapping
from typing import Any, NoReturn

from fastapi import Request
from starlette.requests import ClientDisconnect

from marketplace_runtime.http.problems import BadRequest, SlowBody, TooLarge, Unprocessable, UnsupportedMediaType

MAX_BODY_BYTES = 64 * 1024
"""Maximum size of a body in bytes."""
BODY_TIMEOUT_S = 10.0
"""Maximum time for a body to arrive."""
BIGINT = 2**63
"""Integers from -BIGINT to BIGINT - 1 fit PostgreSQL's `bigint`."""
MAX_EXACT_INTEGER = 2**53
"""A float represents every integer up to this one exactly."""

_JSON = re.compile(r"application/([\w.!#$&^-]+\+)?json", re.ASCII)


class BoundedRequest(Request):
    """A request whose body the framework and endpoints can read safely."""

    _raw: bytes | None = None
    _parsed: Any = None

    async def body(self) -> bytes:
        """Return the whole body.

        Raises `TooLarge` as soon as it exceeds 64 KiB, `SlowBody` after 10 s, and `BadRequest` if the client
        disconnects.
        """
        if self._raw is None:
            self._raw = await self._read()
        return self._raw

    async def json(self) -> Any:
        """Return the parsed JSON body, or None if the body is empty.

        Raises `UnsupportedMediaType` if the content type is not JSON, `BadRequest` if the body is not JSON, and
        `Unprocessable` if it has values that cannot be stored.
        """
        if self._parsed is None and await self.body():
            media_type = self.headers.get("content-type", "").partition(";")[0].strip().lower()
            if not _JSON.fullmatch(media_type):
                raise UnsupportedMediaType
            self._parsed = parse_json(await self.body())
        return self._parsed

    async def _read(self) -> bytes:
        declared = self.headers.get("content-length", "0")
        if declared == "0" and "transfer-encoding" not in self.headers:
            return b""
        if not declared.isdecimal() or len(declared) > 9 or int(declared) > MAX_BODY_BYTES:
            raise TooLarge(f"At most {MAX_BODY_BYTES} bytes are taken.")
        read = bytearray()
        try:
            async with asyncio.timeout(BODY_TIMEOUT_S):
                async for chunk in self.stream():
                    read += chunk
                    if len(read) > MAX_BODY_BYTES:
                        raise TooLarge(f"At most {MAX_BODY_BYTES} bytes are taken.")
        except TimeoutError as error:
            raise SlowBody from error
        except ClientDisconnect as error:
            raise BadRequest("The body ended early.") from error
        return bytes(read)


def parse_json(raw: bytes) -> Any:
    """Parse JSON strictly (RFC 8259).

    Raises `BadRequest` if it is not JSON. Raises `Unprocessable` for an integer that does not fit 64 bits, a number
    beyond the range of a float, and text with NUL or an unpaired surrogate.
    """
    try:
        text = raw.decode("utf-8")
        value = _decoder.decode(text)
    except (ValueError, RecursionError) as error:
        raise BadRequest("The body is not JSON.") from error
    if "\\u" in text:
        _refuse_unstorable_text(value)
    return value


def _refuse_unstorable_text(value: Any) -> None:
    """Raise `Unprocessable` for NUL and unpaired surrogates: PostgreSQL rejects them. Only escapes can encode them."""
    waiting = [value]
    while waiting:
        item = waiting.pop()
        if isinstance(item, str):
            if "\0" in item or any("\ud800" <= character <= "\udfff" for character in item):
                raise Unprocessable("Text must not contain NUL or unpaired surrogates.")
        elif isinstance(item, Mapping):
            waiting.extend(item)
            waiting.extend(item.values())
        elif isinstance(item, list):
            waiting.extend(item)


def _integer(digits: str) -> int:
    if len(digits) > 20 or not -BIGINT <= int(digits) < BIGINT:
        raise Unprocessable("An integer is out of range.")
    return int(digits)


def _number(digits: str) -> float:
    """Return an integer if the number has no fraction: in JSON Schema, 2.0 is an integer."""
    value = float(digits)
    if math.isinf(value):
        raise Unprocessable("A number is out of range.")
    return int(value) if value.is_integer() and abs(value) < MAX_EXACT_INTEGER else value


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is not JSON")


_decoder = json.JSONDecoder(parse_int=_integer, parse_float=_number, parse_constant=_refuse)
