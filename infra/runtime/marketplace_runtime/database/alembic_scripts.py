"""Runs Alembic's migration scripts, and grants the service access to the tables that they created."""

from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text


def upgrade(connection: Connection, location: Path, schema: str) -> None:
    """Run the migrations below `location` that are newer than the version recorded in `schema`."""
    config = _config(location)
    scripts = ScriptDirectory.from_config(config)
    with EnvironmentContext(config, scripts) as environment:
        environment.configure(
            connection=connection,
            version_table_schema=schema,
            fn=lambda revision, _: scripts._upgrade_revs("head", revision),
        )
        environment.run_migrations()


def grant(connection: Connection, app_role: str, runtime_schema: str) -> None:
    """Grant `app_role` reading and writing of all tables, but only reading of Alembic's own. The role owns no table."""
    role = connection.dialect.identifier_preparer.quote_identifier(app_role)
    for schema in (runtime_schema, "public"):
        for statement in (
            f"grant usage on schema {schema} to {role}",
            f"grant select, insert, update, delete on all tables in schema {schema} to {role}",
            f"grant usage on all sequences in schema {schema} to {role}",
            f"revoke insert, update, delete on {schema}.alembic_version from {role}",
        ):
            connection.execute(text(statement))
    connection.execute(text(f"grant execute on all functions in schema {runtime_schema} to {role}"))


def _config(location: Path) -> Config:
    config = Config()
    config.set_main_option("script_location", str(location).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
