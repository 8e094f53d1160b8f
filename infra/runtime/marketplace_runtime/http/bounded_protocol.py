"""Extends uvicorn's HTTP/1.1 protocol with limits on what a client can make the server keep in memory.

uvicorn limits neither the size of a request's head nor the number of pipelined requests in a connection. 64 MB of
short header lines grew a service from 110 MB to 1.1 GB, and blocked its event loop until it lost its connection to
the broker.
"""

from asyncio import BaseTransport, TimerHandle, Transport
from http import HTTPStatus
from typing import cast

from fastapi import FastAPI
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from marketplace_runtime.http import problems
from marketplace_runtime.http.response_headers import NO_STORE

MAX_HEAD_BYTES = 64 * 1024
"""Maximum size of a request's head in bytes.

Bytes that arrive in the same read as the head's first byte are not counted, since uvicorn parses them first. A read
has up to about 256 KiB, so a head that arrives in one read can be that large.
"""
HEAD_TIMEOUT_S = 10.0
"""Maximum time for a request's head to arrive. For the first request it starts with the connection, for later ones with
the head's first byte."""
MAX_PIPELINED_REQUESTS = 64
"""Maximum number of pipelined requests that wait for the answer to an earlier one."""


class BoundedProtocol(HttpToolsProtocol):
    """Serves one connection. A request that exceeds a limit is refused, and the connection is closed."""

    _framing_bytes = 0
    """Bytes of the current request other than its content: head, chunk sizes, trailers."""
    _message_began = False
    _head_timer: TimerHandle | None = None

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(cast("Transport", transport))
        self._start_head_timeout()

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel_head_timeout()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._message_began = False
        super().data_received(data)
        if not self._message_began:
            self._framing_bytes += len(data)
        if self._framing_bytes > MAX_HEAD_BYTES and not self.transport.is_closing():
            self.send_400_response("The request's head is too large.")

    def on_message_begin(self) -> None:
        self._message_began, self._framing_bytes = True, 0
        if self._head_timer is None:
            self._start_head_timeout()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._cancel_head_timeout()
        if len(self.pipeline) >= MAX_PIPELINED_REQUESTS:
            raise OverflowError("too many requests wait in this connection")
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        self._framing_bytes -= len(body)
        super().on_body(body)

    def send_400_response(self, msg: str) -> None:
        """Answer 400 and close the connection.

        While another request is active, it only closes the connection: the client would take the 400 as the answer to
        that request.
        """
        if self.cycle is None or self.cycle.response_complete:
            answer = problems.answer(problems.BadRequest(msg), cast("FastAPI", self.app).state.problem_type_prefix)
            head = "".join(
                f"{name.decode()}: {value.decode()}\r\n"
                for name, value in [*answer.raw_headers, NO_STORE, (b"connection", b"close")]
            )
            line = f"HTTP/1.1 {answer.status_code} {HTTPStatus(answer.status_code).phrase}\r\n"
            self.transport.write(f"{line}{head}\r\n".encode() + bytes(answer.body))
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing if a client requests another protocol: it is answered in HTTP/1.1."""

    def _start_head_timeout(self) -> None:
        self._head_timer = self.loop.call_later(HEAD_TIMEOUT_S, self.transport.close)

    def _cancel_head_timeout(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
