"""Runs admin commands: `python -m marketplace_runtime describe | exposed | openapi | declare | plan | apply SERVICE…`.

`describe` prints the services' subscriptions and events as JSON, `exposed` the routes for a gateway, and `openapi` the
OpenAPI documents. The others concern the topology on the broker. `plan` prints how it differs from the services'
tables. `declare` imports it, and fails if differences are left. `apply` imports it, removes surplus bindings, and
prints the differences that are left.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pydantic_settings import BaseSettings

from marketplace_runtime.service import Service, load_services, openapi_of
from marketplace_runtime.topology import TopologyError, apply, definitions, format_plan

USAGE = "usage: python -m marketplace_runtime describe | exposed | openapi | declare | plan | apply SERVICE…"


class AdminSettings(BaseSettings):
    broker_management_url: str
    """With an administrator's name and password."""
    service_passwords_file: Path
    """A JSON file: the password of each service's broker user, by the service's name, and the auditor's password."""


def main(arguments: list[str]) -> int:
    """Run one command. Returns the exit code.

    0: done, and nothing differs. 1: the broker differs, or refused. 2: wrong arguments.
    """
    match arguments:
        case ["describe", *names] if names:
            described = [
                asdict(each.wiring()) | {"says": [event.type for event in each.publishes]}
                for each in load_services(names)
            ]
            print(json.dumps(described, indent=2))
        case ["exposed", *names] if names:
            print(json.dumps(_exposed(load_services(names)), indent=2))
        case ["openapi", *names] if names:
            print(json.dumps({each.name: openapi_of(each) for each in load_services(names)}, indent=2))
        case [("declare" | "plan" | "apply") as step, *names] if names:
            try:
                return asyncio.run(_run_topology_step(step, names))
            except TopologyError as error:
                print(error, file=sys.stderr)
                return 1
        case _:
            print(USAGE, file=sys.stderr)
            return 2
    return 0


def _exposed(services: Sequence[Service]) -> dict[str, Any]:
    naming = services[0].naming
    return {
        "problem_type_prefix": naming.problem_type_prefix,
        "audience": naming.token_audience,
        "services": {each.name: [asdict(route) for route in each.exposed_routes] for each in services},
    }


async def _run_topology_step(step: str, services: Sequence[str]) -> int:
    settings = AdminSettings()
    passwords = json.loads(settings.service_passwords_file.read_text())
    tables = load_services(services)
    wanted = definitions([each.wiring() for each in tables], passwords, tables[0].naming)
    if step == "declare":
        await apply.declare(settings.broker_management_url, wanted)
        return 0
    differences = await (apply.compare if step == "plan" else apply.apply)(settings.broker_management_url, wanted)
    print(format_plan(differences))
    return 1 if differences else 0


sys.exit(main(sys.argv[1:]))
