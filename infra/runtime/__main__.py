"""The admin steps: `python -m infra.runtime describe | declare`."""

import asyncio
import json
import sys
from dataclasses import asdict
from pathlib import Path

from pydantic_settings import BaseSettings

from infra.messaging import admin, definitions
from infra.messaging.errors import TopologyDiffers
from infra.runtime.discovery import load_services


class AdminSettings(BaseSettings):
    broker_management_url: str
    """With an administrator's name and password."""
    service_passwords_file: Path
    """JSON: a broker user's password by service, and the auditor's."""


def main(arguments: list[str]) -> int:
    services = load_services()
    match arguments:
        case ["describe"]:
            described = [asdict(each.wiring()) | {"says": [event.type for event in each.says]} for each in services]
            print(json.dumps(described, indent=2))
        case ["declare"]:
            settings = AdminSettings()
            passwords = json.loads(settings.service_passwords_file.read_text())
            wanted = definitions([each.wiring() for each in services], passwords)
            try:
                asyncio.run(admin.declare(settings.broker_management_url.rstrip("/"), wanted))
            except TopologyDiffers as error:
                print(f"{error}", file=sys.stderr)
                return 1
        case _:
            print("usage: python -m infra.runtime describe | declare", file=sys.stderr)
            return 2
    return 0


sys.exit(main(sys.argv[1:]))
