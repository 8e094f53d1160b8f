"""The fault proxy, over real sockets: every toxic is felt, and ends when it is taken away."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from infra.lab.chaos.proxy.link import Link
from infra.lab.chaos.proxy.toxics import Toxics
from infra.stack.ports import Ports


@dataclass
class Talk:
    """A connection to an echo server, by way of the link."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def echo(self, said: bytes = b"hello", within_s: float = 5) -> bytes:
        self.writer.write(said)
        async with asyncio.timeout(within_s):
            return await self.reader.readexactly(len(said))

    async def took_s(self, said: bytes = b"hello") -> float:
        """Seconds until the echo was there, which has to be what was said."""
        began = asyncio.get_running_loop().time()
        assert await self.echo(said) == said
        return asyncio.get_running_loop().time() - began


async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while said := await reader.read(65536):
            writer.write(said)
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
    link.suffer(Toxics(reset=True))
    listening.close()
    server.close()
    ports.release()


async def connect(link: Link) -> Talk:
    return Talk(*await asyncio.open_connection("127.0.0.1", link.listen))


async def test_without_toxics_bytes_and_ends_pass_through(link: Link) -> None:
    talk = await connect(link)
    said = bytes(range(256)) * 4096
    talk.writer.write(said)
    talk.writer.write_eof()
    assert await talk.reader.read(-1) == said
    assert link.counts["bytes"] == 2 * len(said)


async def test_latency_is_felt_in_both_directions_and_ends(link: Link) -> None:
    talk = await connect(link)
    await talk.echo()
    link.suffer(Toxics(latency_ms=60))
    assert await talk.took_s() >= 0.12
    link.suffer(Toxics())
    delayed = link.counts["delayed"]
    await talk.echo()
    assert link.counts["delayed"] == delayed >= 2


async def test_jitter_keeps_the_order_of_bytes(link: Link) -> None:
    talk = await connect(link)
    link.suffer(Toxics(jitter_ms=5))
    said = [f"{number:4}".encode() for number in range(100)]
    for each in said:
        talk.writer.write(each)
        await asyncio.sleep(0)
    assert await talk.reader.readexactly(400) == b"".join(said)


async def test_bandwidth_is_bounded(link: Link) -> None:
    talk = await connect(link)
    link.suffer(Toxics(bytes_per_s=100_000))
    assert await talk.took_s(b"x" * 10_000) >= 0.1


async def test_a_black_hole_swallows_nothing_for_good(link: Link) -> None:
    talk = await connect(link)
    await talk.echo()
    link.suffer(Toxics(black_hole=True))
    with pytest.raises(TimeoutError):
        await talk.echo(within_s=0.1)
    late = await connect(link)
    late.writer.write(b"later")
    link.suffer(Toxics())
    async with asyncio.timeout(5):
        assert await talk.reader.readexactly(5) == b"hello"
        assert await late.reader.readexactly(5) == b"later"
    assert link.counts["stalled"] >= 1


async def test_a_reset_ends_open_and_new_connections(link: Link) -> None:
    talk = await connect(link)
    await talk.echo()
    link.suffer(Toxics(reset=True))
    with pytest.raises(ConnectionResetError):
        await talk.echo()
    late, quiet = await connect(link), await connect(link)  # they come through: what they say leaves
    with pytest.raises(OSError):
        await late.echo()
    async with asyncio.timeout(5):
        with pytest.raises(OSError):
            await quiet.reader.readexactly(1)
    link.suffer(Toxics())
    await (await connect(link)).echo()
    assert link.counts["reset"] == 3


async def test_a_half_open_connection_is_silent_until_the_fault_ends_while_new_ones_work(link: Link) -> None:
    talk = await connect(link)
    await talk.echo()
    link.suffer(Toxics(half_open=True))
    with pytest.raises(TimeoutError):
        await talk.echo(within_s=0.1)
    await (await connect(link)).echo()
    link.suffer(Toxics())
    with pytest.raises(ConnectionResetError):
        async with asyncio.timeout(5):
            await talk.reader.readexactly(5)
    assert link.counts["half_open"] == 1


async def test_where_nobody_listens_the_connection_ends(link: Link) -> None:
    link.port = 1
    with pytest.raises(OSError):
        await (await connect(link)).echo()
