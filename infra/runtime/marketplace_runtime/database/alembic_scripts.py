"""Alembic's part of a migration: run the scripts that a database lacks, and let the service use what they made."""

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text


def upgrade(connection: Connection, location: Path, schema: str) -> None:
    """Run what `schema` lacks of the versions below `location`."""
    config = _config(location)
    scripts = ScriptDirectory.from_config(config)
    with EnvironmentContext(config, scripts) as environment:
        environment.configure(
            connection=connection,
            version_table_schema=schema,
            fn=lambda revision, _: scripts._upgrade_revs("head", revision),
        )
        environment.run_migrations()


def grant(connection: Connection, app_role: str, messaging: str) -> None:
    """Let `app_role` read and write every table, and own none."""
    role = connection.dialect.identifier_preparer.quote_identifier(app_role)
    for schema in (messaging, "public"):
        for statement in (
            f"grant usage on schema {schema} to {role}",
            f"grant select, insert, update, delete on all tables in schema {schema} to {role}",
            f"grant usage on all sequences in schema {schema} to {role}",
            f"revoke insert, update, delete on {schema}.alembic_version from {role}",
        ):
            connection.execute(text(statement))
    connection.execute(text(f"grant execute on all functions in schema {messaging} to {role}"))


def _config(location: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(location).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
