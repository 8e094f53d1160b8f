"""The private broker and Postgres start quickly, listen on the loopback only, and keep data over a crash."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import aio_pika
import asyncpg
import pytest

from infra.stack import PrivateBroker, PrivatePostgres, private_broker, private_postgres
from tests.integration.local.processes_of import listening_addresses, processes_of

LOOPBACK = {"0100007F", "00000000000000000000000001000000"}
"""127.0.0.1 and ::1, as the kernel writes them."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("broker")


@pytest.fixture(scope="module")
async def broker(home: Path) -> AsyncIterator[PrivateBroker]:
    async with private_broker(home) as running:
        yield running


@pytest.fixture(scope="module")
async def postgres() -> AsyncIterator[PrivatePostgres]:
    async with private_postgres(databases=["catalog", "cart"]) as running:
        yield running


async def rows(url: str, query: str) -> list[asyncpg.Record]:
    connection = await asyncpg.connect(url)
    try:
        return await connection.fetch(query)
    finally:
        await connection.close()


@pytest.mark.slow  # it starts a broker of its own twice; `test_degradation.py` kills the stack's
async def test_a_broker_keeps_a_confirmed_message_over_a_crash(broker: PrivateBroker) -> None:
    async with await aio_pika.connect(broker.urls.amqp) as connection:
        channel = await connection.channel()
        for name, kind in (("kept", "quorum"), ("log", "stream")):
            await channel.declare_queue(name, durable=True, arguments={"x-queue-type": kind})
        await channel.default_exchange.publish(
            aio_pika.Message(b"still here", delivery_mode=aio_pika.DeliveryMode.PERSISTENT), "kept"
        )
    await asyncio.sleep(1)  # RabbitMQ 3.10 stores the names of new quorum queues within 0.5 s

    await broker.kill()
    await broker.start()

    async with await aio_pika.connect(broker.urls.amqp) as connection:
        channel = await connection.channel()
        message = await (await channel.get_queue("kept")).get(timeout=10)
        assert message is not None
        assert message.body == b"still here"


@pytest.mark.slow  # a broker of its own
async def test_a_broker_has_no_guest_user_and_listens_on_the_loopback_only(broker: PrivateBroker, home: Path) -> None:
    with pytest.raises(aio_pika.exceptions.AMQPConnectionError):
        await aio_pika.connect(broker.urls.amqp_of("guest", "guest"))
    listening = {address for pid in processes_of(home) for address in listening_addresses(pid)}
    assert listening
    assert listening <= LOOPBACK


async def test_postgres_keeps_committed_rows_over_a_crash(postgres: PrivatePostgres) -> None:
    urls = postgres.server.urls("catalog")
    await rows(urls.owner, "create table kept as select 1 as id")

    await postgres.kill()
    await postgres.start()

    assert [row["id"] for row in await rows(urls.owner, "select id from kept")] == [1]


async def test_each_role_has_only_the_permissions_it_needs(postgres: PrivatePostgres) -> None:
    catalog, cart = postgres.server.urls("catalog"), postgres.server.urls("cart")
    await rows(catalog.owner, "create table products as select 1 as id")

    assert await rows(catalog.audit, "select * from products")
    for url, query in (
        (catalog.app, "create table mine (id int)"),
        (catalog.app, "select * from products"),  # nothing is granted yet
        (catalog.audit, "delete from products"),
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await rows(url, query)
    for user in (cart.owner, cart.app):
        foreign = urlsplit(user)._replace(path="/catalog").geturl()
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await asyncpg.connect(foreign)


async def test_databases_can_be_created_repeatedly_and_concurrently(postgres: PrivatePostgres) -> None:
    await asyncio.gather(*(postgres.create_database(name) for name in ("delivery", "checkout", "delivery")))

    assert await rows(postgres.server.urls("checkout").app, "select 1")
    assert (await postgres.create_database("checkout")) == postgres.server.urls("checkout")


async def test_postgres_listens_on_the_loopback_only_and_refuses_a_wrong_password(postgres: PrivatePostgres) -> None:
    url = urlsplit(postgres.server.urls("postgres").superuser)
    connection = await asyncpg.connect(postgres.server.urls("postgres").superuser)
    home = Path(await connection.fetchval("show data_directory"))
    await connection.close()
    listening = {address for pid in processes_of(home) for address in listening_addresses(pid)}
    assert listening
    assert listening <= LOOPBACK
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(host="127.0.0.1", port=url.port, user="postgres", password="wrong")
