"""The fault proxy, with real sockets: every toxic takes effect, and ends when it is removed."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from infra.lab.chaos.proxy.link import Link
from infra.lab.chaos.proxy.toxics import Toxics
from infra.stack.ports import Ports


@dataclass
class EchoConnection:
    """A connection to an echo server through the link."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def echo(self, sent: bytes = b"hello", within_s: float = 5) -> bytes:
        self.writer.write(sent)
        async with asyncio.timeout(within_s):
            return await self.reader.readexactly(len(sent))

    async def took_s(self, sent: bytes = b"hello") -> float:
        """Return the seconds until the echo arrived. Requires that it equals the bytes sent."""
        began = asyncio.get_running_loop().time()
        assert await self.echo(sent) == sent
        return asyncio.get_running_loop().time() - began


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while sent := await reader.read(65536):
            writer.write(sent)
            await writer.drain()
    except ConnectionError:
        pass
    finally:
        writer.close()


@pytest.fixture
async def link() -> AsyncIterator[Link]:
    ports = Ports()
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    link = Link(ports.of("link"), "127.0.0.1", server.sockets[0].getsockname()[1])
    listening = await link.open()
    yield link
    link.set_toxics(Toxics(reset=True))
    listening.close()
    server.close()
    ports.release()


async def connect(link: Link) -> EchoConnection:
    return EchoConnection(*await asyncio.open_connection("127.0.0.1", link.listen))


async def test_without_toxics_bytes_and_ends_of_streams_pass_through(link: Link) -> None:
    connection = await connect(link)
    sent = bytes(range(256)) * 4096
    connection.writer.write(sent)
    connection.writer.write_eof()
    assert await connection.reader.read(-1) == sent
    assert link.counts["bytes"] == 2 * len(sent)


async def test_latency_applies_in_both_directions_until_it_is_removed(link: Link) -> None:
    connection = await connect(link)
    await connection.echo()
    link.set_toxics(Toxics(latency_ms=60))
    assert await connection.took_s() >= 0.12
    link.set_toxics(Toxics())
    delayed = link.counts["delayed"]
    await connection.echo()
    assert link.counts["delayed"] == delayed >= 2


async def test_jitter_keeps_the_order_of_bytes(link: Link) -> None:
    connection = await connect(link)
    link.set_toxics(Toxics(jitter_ms=5))
    sent = [f"{number:4}".encode() for number in range(100)]
    for each in sent:
        connection.writer.write(each)
        await asyncio.sleep(0)
    assert await connection.reader.readexactly(400) == b"".join(sent)


async def test_bandwidth_is_limited(link: Link) -> None:
    connection = await connect(link)
    link.set_toxics(Toxics(bytes_per_s=100_000))
    assert await connection.took_s(b"x" * 10_000) >= 0.1


async def test_a_black_hole_delays_bytes_and_loses_none(link: Link) -> None:
    connection = await connect(link)
    await connection.echo()
    link.set_toxics(Toxics(black_hole=True))
    with pytest.raises(TimeoutError):
        await connection.echo(within_s=0.1)
    late = await connect(link)
    late.writer.write(b"later")
    link.set_toxics(Toxics())
    async with asyncio.timeout(5):
        assert await connection.reader.readexactly(5) == b"hello"
        assert await late.reader.readexactly(5) == b"later"
    assert link.counts["stalled"] >= 1


async def test_a_reset_ends_open_and_new_connections(link: Link) -> None:
    connection = await connect(link)
    await connection.echo()
    link.set_toxics(Toxics(reset=True))
    with pytest.raises(ConnectionResetError):
        await connection.echo()
    late, quiet = await connect(link), await connect(link)  # accepted by the proxy, which resets them on traffic
    with pytest.raises(OSError):
        await late.echo()
    async with asyncio.timeout(5):
        with pytest.raises(OSError):
            await quiet.reader.readexactly(1)
    link.set_toxics(Toxics())
    await (await connect(link)).echo()
    assert link.counts["reset"] == 3


async def test_a_half_open_connection_is_silent_until_it_is_reset_and_new_ones_work(link: Link) -> None:
    connection = await connect(link)
    await connection.echo()
    link.set_toxics(Toxics(half_open=True))
    with pytest.raises(TimeoutError):
        await connection.echo(within_s=0.1)
    await (await connect(link)).echo()
    link.set_toxics(Toxics())
    with pytest.raises(ConnectionResetError):
        async with asyncio.timeout(5):
            await connection.reader.readexactly(5)
    assert link.counts["half_open"] == 1


async def test_a_connection_to_a_closed_port_ends(link: Link) -> None:
    link.port = 1
    with pytest.raises(OSError):
        await (await connect(link)).echo()
