"""A service detects at its start a pooler that does not give each connection its own session."""

import asyncio
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import asyncpg
import pytest

from infra.stack import DatabaseUrls, PrivatePostgres
from marketplace_runtime.database import Database, UnsupportedPooler, require_dedicated_sessions
from marketplace_runtime.testing.harness import until
from tests.integration.outside.outside_process import free_port

OURS = "ignore_startup_parameters = statement_timeout,lock_timeout,idle_in_transaction_session_timeout,jit"
"""With this option the pooler drops our settings instead of refusing them."""


@pytest.fixture(scope="module")
async def urls(postgres: PrivatePostgres) -> DatabaseUrls:
    return await postgres.create_database("pooled")


@asynccontextmanager
async def a_pooler(url: str, directory: Path, mode: str, *settings: str) -> AsyncIterator[str]:
    """Run PgBouncer in front of the database of `url`. Yields the pooler's URL."""
    to, port = urlsplit(url), free_port()
    name = to.path.strip("/")
    config = directory / "pgbouncer.ini"
    config.write_text(
        "[databases]\n"
        f"{name} = host={to.hostname} port={to.port} user={to.username} password={to.password}\n"
        "[pgbouncer]\n"
        f"listen_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\nauth_type = any\npool_mode = {mode}\n"
        + "\n".join(settings)
    )
    as_somebody = ("-u", "nobody") if os.geteuid() == 0 else ()
    with (directory / "pgbouncer.log").open("wb") as log:
        process = await asyncio.create_subprocess_exec("pgbouncer", *as_somebody, config, stdout=log, stderr=log)
    pooled = f"postgresql://{to.username}:{to.password}@127.0.0.1:{port}/{name}"
    try:

        async def answers() -> bool:
            try:
                connection = await asyncpg.connect(pooled)
            except OSError:
                return False
            await connection.close()
            return True

        await until(answers)
        yield pooled
    finally:
        process.terminate()
        await process.wait()


async def check_for_pooler(url: str) -> None:
    database = Database(url, source="pooled")
    try:
        await require_dedicated_sessions(database)
    finally:
        await database.close()


async def test_a_database_without_a_pooler_is_accepted(urls: DatabaseUrls) -> None:
    await check_for_pooler(urls.app)


@pytest.mark.parametrize(
    ("mode", "settings", "why"),
    [
        ("transaction", [OURS], "assigns database sessions per transaction"),
        pytest.param("statement", [OURS], "assigns database sessions", marks=pytest.mark.slow),
        pytest.param("transaction", [], "refuses what we need", marks=pytest.mark.slow),
        pytest.param(
            "transaction", [OURS, "server_round_robin = 1"], "assigns database sessions", marks=pytest.mark.slow
        ),
        pytest.param("session", [OURS], "drops our settings", marks=pytest.mark.slow),
    ],
)
async def test_a_pooler_that_shares_sessions_or_drops_settings_is_refused(
    urls: DatabaseUrls, tmp_path: Path, mode: str, settings: list[str], why: str
) -> None:
    async with a_pooler(urls.app, tmp_path, mode, *settings) as pooled:
        with pytest.raises(UnsupportedPooler, match=why):
            await check_for_pooler(pooled)


@pytest.mark.slow
async def test_a_service_behind_such_a_pooler_exits_at_its_start_and_says_what_to_do(
    urls: DatabaseUrls, tmp_path: Path
) -> None:
    async with a_pooler(urls.app, tmp_path, "transaction", OURS) as pooled:
        service = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "cart",
            env={
                **os.environ,
                "DATABASE_URL": pooled,
                "BROKER_URL": "amqp://127.0.0.1:1",
                "OIDC_ISSUER": "http://127.0.0.1:1",
                "OPS_PORT": str(free_port()),
            },
            stderr=asyncio.subprocess.PIPE,
        )
        async with asyncio.timeout(30):
            _, output = await service.communicate()
    assert service.returncode == 1
    assert b"cart cannot start. A pooler assigns database sessions per transaction. Give the" in output
    assert b"Traceback" not in output
