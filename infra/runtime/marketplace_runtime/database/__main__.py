"""Migrates a service's database: `python -m marketplace_runtime.database MIGRATIONS SCHEMA`.

`MIGRATION_DATABASE_URL` connects as the owner of the database, `DATABASE_URL` as the service's own role.
"""

import asyncio
import os
import sys
from pathlib import Path

from marketplace_runtime.database.errors import is_unavailable
from marketplace_runtime.database.migrate import migrate

try:
    asyncio.run(
        migrate(
            os.environ["MIGRATION_DATABASE_URL"],
            app_url=os.environ["DATABASE_URL"],
            migrations=Path(sys.argv[1]),
            schema=sys.argv[2],
        )
    )
except Exception as error:
    if not is_unavailable(error):
        raise
    sys.exit(f"database unavailable, migrate again later: {error!r}")
