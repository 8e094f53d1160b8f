"""Keeps AMQP connections up: connects, works until the connection breaks, connects again with jittered backoff."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

import aio_pika
from aio_pika.abc import AbstractConnection
from aiormq.channel import Channel
from aiormq.exceptions import AMQPChannelError, AMQPError

from marketplace_runtime.amqp import lenient_decoder
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

lenient_decoder.install()

Connection = AbstractConnection
"""A connection to the broker, as `keep_connected` opens it."""
ChannelRefused = AMQPChannelError
"""The broker closed a channel because of an operation on it: the queue is missing, or the user lacks a permission."""
CONNECTION_ERRORS = (AMQPError, aio_pika.exceptions.AMQPException, ConnectionError, OSError, TimeoutError, RuntimeError)
"""Errors that this client raises for a connection that is lost, refused or does not answer."""

CONNECT_TIMEOUT_S = 5.0
CLOSE_TIMEOUT_S = 2.0
HEARTBEAT_S = 10
BACKOFF_S, BACKOFF_CAP_S = 0.1, 3.0


class ConnectionLost(ConnectionError):
    """The connection to the broker broke."""


@contextmanager
def translate_channel_errors() -> Iterator[None]:
    """Raise `ConnectionLost` where the client raises a bare `Exception`, as it does when a channel closes."""
    try:
        yield
    except Exception as error:
        if type(error) is Exception:
            raise ConnectionLost("the channel closed") from error
        raise


async def keep_connected(url: str, name: str, use: Callable[[Connection], Awaitable[None]]) -> None:
    """Run `use` with a connection, and again with a new one after each loss, until it returns by itself.

    Cancels `use` when the connection breaks. If `use` raises one of `CONNECTION_ERRORS`, the connection counts as lost.
    """
    failures = 0
    while True:
        try:
            connection = await aio_pika.connect(
                url, heartbeat=HEARTBEAT_S, timeout=CONNECT_TIMEOUT_S, client_properties={"connection_name": name}
            )
        except CONNECTION_ERRORS as error:
            failures += 1
            if failures == 1:
                log.warning("broker unreachable", connection=name, error=repr(error))
            await asyncio.sleep(random.uniform(0, min(BACKOFF_CAP_S, BACKOFF_S * 2**failures)))  # noqa: S311 - jitter
            continue
        log.info("broker connected", connection=name)
        failures = 0
        try:
            await _run_until_lost(connection, use)
            return
        except CONNECTION_ERRORS as error:
            log.warning("broker connection lost", connection=name, error=repr(error))
            await asyncio.sleep(random.uniform(0, BACKOFF_S))  # noqa: S311 - jitter
        finally:
            with suppress(*CONNECTION_ERRORS):
                async with asyncio.timeout(CLOSE_TIMEOUT_S):
                    await connection.close()


async def _run_until_lost(connection: Connection, use: Callable[[Connection], Awaitable[None]]) -> None:
    lost = asyncio.get_running_loop().create_future()

    def on_close(_: object, error: BaseException | None) -> None:
        if not lost.done():
            lost.set_result(error)

    connection.close_callbacks.add(on_close)
    working = asyncio.ensure_future(use(connection))
    try:
        await asyncio.wait({working, lost}, return_when=asyncio.FIRST_COMPLETED)
        if not working.done():
            raise ConnectionLost(repr(lost.result()))
        await working
    finally:
        working.cancel()
        await asyncio.wait({working})  # `await working` would raise `CancelledError`, as if this task was cancelled
        if not working.cancelled():  # an error that is no connection error must not be hidden by `ConnectionLost`
            with suppress(*CONNECTION_ERRORS):
                working.result()


async def open_channel(connection: Connection, *, confirms: bool) -> Channel:
    """Open a channel of aiormq, the protocol layer below aio_pika.

    Unlike aio_pika, it neither copies messages nor fails on unusual properties. Raises `ConnectionLost` if the
    connection is lost.
    """
    transport = connection.transport
    if transport is None:
        raise ConnectionLost("no transport")
    with translate_channel_errors():
        channel = await transport.connection.channel(publisher_confirms=confirms)
    if not isinstance(channel, Channel):
        raise TypeError(f"expected a channel of aiormq, got {type(channel).__name__}")
    return channel
