"""Tests the permissions of database roles: in other services' databases, and in their own."""

from pathlib import Path

import asyncpg
import pytest

from infra.stack import DatabaseUrls, PrivatePostgres
from marketplace_runtime.database import migrate

SERVICES = ("roles_cart", "roles_checkout")
MIGRATION = """
revision = "0001"
down_revision = None

def upgrade():
    from alembic import op
    op.execute("create table effects (order_id uuid not null, what text not null)")
"""


@pytest.fixture(scope="module")
async def urls(postgres: PrivatePostgres, tmp_path_factory: pytest.TempPathFactory) -> dict[str, DatabaseUrls]:
    migrations: Path = tmp_path_factory.mktemp("migrations")
    (migrations / "versions").mkdir()
    (migrations / "versions" / "0001_effects.py").write_text(MIGRATION)
    found = {service: await postgres.create_database(service) for service in SERVICES}
    for each in found.values():
        await migrate(each.owner, app_url=each.app, migrations=migrations)
    return found


def at(url: str, database: str) -> str:
    return url.rpartition("/")[0] + f"/{database}"


@pytest.mark.parametrize("role", ["owner", "app"])
@pytest.mark.parametrize(("user", "other"), [SERVICES, SERVICES[::-1]])
async def test_no_role_can_connect_to_another_services_database(
    urls: dict[str, DatabaseUrls], role: str, user: str, other: str
) -> None:
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="CONNECT"):
        await asyncpg.connect(at(getattr(urls[user], role), other))
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="CONNECT"):
        await asyncpg.connect(at(getattr(urls[user], role), "postgres"))


@pytest.mark.parametrize(
    "statement",
    [
        "create table mine (id int)",
        "create table messaging.mine (id int)",
        "create schema mine",
        "drop table effects",
        "alter table effects add column more text",
        "truncate messaging.outbox",
        "update messaging.alembic_version set version_num = '9999'",
        "delete from alembic_version",
        "create role friend",
        "copy effects to program 'cat'",
    ],
)
async def test_the_services_role_owns_nothing(urls: dict[str, DatabaseUrls], statement: str) -> None:
    connection = await asyncpg.connect(urls[SERVICES[0]].app)
    try:
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
        await connection.execute("insert into effects values (gen_random_uuid(), 'allowed')")
        await connection.execute("select messaging.make_partitions(current_date, current_date + 3)")
    finally:
        await connection.close()


@pytest.mark.parametrize("service", SERVICES)
async def test_the_audit_role_reads_everything_and_writes_nothing(urls: dict[str, DatabaseUrls], service: str) -> None:
    connection = await asyncpg.connect(urls[service].audit)
    try:
        await connection.fetch("select * from messaging.inbox")
        for statement in ("delete from effects", "insert into effects values (gen_random_uuid(), 'x')"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(statement)
    finally:
        await connection.close()


async def test_a_wrong_password_is_refused(urls: dict[str, DatabaseUrls]) -> None:
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(urls[SERVICES[0]].app, password="guess")
