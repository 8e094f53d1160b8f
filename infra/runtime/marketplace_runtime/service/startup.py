"""Waits for the database at startup, and migrates it or checks that it is migrated."""

import asyncio
import random

from marketplace_runtime.database import (
    Database,
    SchemaOutdated,
    is_unavailable,
    migrate_in_subprocess,
    require_current_schema,
    require_dedicated_sessions,
)
from marketplace_runtime.service.service import Service
from marketplace_runtime.service.settings import Settings
from marketplace_runtime.telemetry import get_logger

log = get_logger(__name__)

BACKOFF_CAP_S = 2.0
"""Maximum pause between two attempts to reach the database."""


async def migrate_or_wait(service: Service, settings: Settings, database: Database, stop: asyncio.Event) -> None:
    """Migrate the database, or check that it is migrated. Waits while the database is unavailable.

    Raises `SchemaOutdated` if it is not migrated and no owner's URL is set, and `UnsupportedPooler` if a
    connection pooler assigns sessions per transaction. Waiting would solve neither problem.
    """
    app_url = settings.database_url.get_secret_value()
    attempt = 0
    while not stop.is_set():
        try:
            await require_dedicated_sessions(database)
            await require_current_schema(app_url, service.migrations, service.naming.database_schema)
            await database.read_clock()
            return
        except SchemaOutdated:
            if settings.migration_database_url is None:
                raise
            owner_url = settings.migration_database_url.get_secret_value()
            await migrate_in_subprocess(
                owner_url,
                app_url=app_url,
                migrations=service.migrations,
                schema=service.naming.database_schema,
            )
        except Exception as error:
            if not is_unavailable(error):
                raise
            attempt += 1
            log.warning("waiting for the database", error=repr(error), attempt=attempt)
            await asyncio.sleep(random.uniform(0, min(BACKOFF_CAP_S, 0.1 * 2**attempt)))  # noqa: S311 - jitter
