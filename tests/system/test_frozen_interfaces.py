"""Compares the interfaces of a running marketplace with the record: renaming and moving code must not change them.

`tests/contracts/test_frozen_interfaces.py` compares the interfaces that the code declares.
"""

import json
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from tests.frozen import key_paths, require_unchanged
from tests.system.marketplace import Marketplace, Visit

SERVICES = ("catalog", "cart", "checkout", "notifications", "delivery")
SECRET = ("password_hash", "hashing_algorithm", "limits")
COLUMNS = """
select table_schema || '.' || table_name, column_name,
    data_type || case is_nullable when 'NO' then ' not null' else '' end
from information_schema.columns
where table_schema in ('public', 'messaging') and table_name !~ '_[0-9]{8}$' order by 1, ordinal_position
"""
INDEXES = """
select schemaname || '.' || indexname, indexdef from pg_indexes
where schemaname in ('public', 'messaging') and tablename !~ '_[0-9]{8}$' order by 1
"""
STATUS_NAMES = frozenset({"parts", "figures.services", "figures.services.*.circuits", "figures.services.*.orders"})


@pytest.mark.parametrize("service", SERVICES)
async def test_tables_columns_and_indexes(marketplace: Marketplace, service: str) -> None:
    connection = await asyncpg.connect(marketplace.state["services"][service]["database"]["superuser"])
    try:
        tables: dict[str, dict[str, str]] = {}
        for table, column, kind in await connection.fetch(COLUMNS):
            tables.setdefault(table, {})[column] = kind
        indexes = dict(await connection.fetch(INDEXES))
    finally:
        await connection.close()
    require_unchanged(f"database-{service}", {"tables": tables, "indexes": indexes})


async def test_exchanges_queues_bindings_users_and_policies(marketplace: Marketplace, visit: Visit) -> None:
    async with visit.http.get(marketplace.state["broker"]["management"] + "/api/definitions") as answer:
        definitions = await answer.json()
    found = {}
    for kind in ("exchanges", "queues", "bindings", "users", "permissions", "policies"):
        of_kind = [
            {name: value for name, value in each.items() if name not in SECRET}
            for each in definitions[kind]
            if belongs_to_the_services(each)
        ]
        found[kind] = sorted(of_kind, key=lambda each: json.dumps(each, sort_keys=True))
    require_unchanged("broker", found)


def belongs_to_the_services(each: dict[str, Any]) -> bool:
    name = str(each.get("name") or each.get("destination") or each.get("user"))
    return name.partition(".")[0] in (*SERVICES, "marketplace", "audit")


@pytest.mark.parametrize("service", SERVICES)
async def test_http_paths(visit: Visit, service: str) -> None:
    async with visit.http.get(visit.base(service) + "/openapi.json") as answer:
        document = await answer.json()
    operations = {
        f"{method.upper()} {path}": {
            "parameters": sorted(f"{each['in']} {each['name']}" for each in operation.get("parameters", [])),
            "body": "requestBody" in operation,
            "answers": sorted(operation["responses"]),
        }
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    }
    bodies = {
        name: sorted(schema.get("properties", schema.get("enum", [])))
        for name, schema in document["components"]["schemas"].items()
    }
    require_unchanged(f"http-{service}", {"operations": operations, "schemas": sorted(map(sorted, bodies.values()))})


def test_keys_of_the_state_file(marketplace: Marketplace) -> None:
    names = frozenset({"services", "services.*.ops", "ports", "settings", "providers"})
    require_unchanged("stack-json", sorted(key_paths(marketplace.state, named=names)))


def test_json_keys_of_status(marketplace: Marketplace) -> None:
    require_unchanged("json-status", sorted(key_paths(marketplace.status(), named=STATUS_NAMES)))


@pytest.mark.slow  # the chaos test compares a report of the same kind
async def test_json_keys_of_traffic_and_audit(marketplace: Marketplace, visit: Visit, tmp_path: Path) -> None:
    report, verdict = tmp_path / "report.json", tmp_path / "verdict.json"
    marketplace.command("traffic", "--rate=5", "--duration=2", "--seed=1", "--profile=buyers", f"--json={report}")
    marketplace.attempt("audit", "--settle", "0", "--json", str(verdict))
    found = {"traffic": json.loads(report.read_text()), "audit": json.loads(verdict.read_text()) | {"violations": []}}
    require_unchanged("json-reports", {name: sorted(key_paths(each)) for name, each in found.items()})


def test_exit_codes(marketplace: Marketplace) -> None:
    found = {
        what: marketplace.attempt(*what.split()).returncode
        for what in (
            "status",
            "no-such-command",
            "status --no-such-option",
            "start nothing",
            "order no-such-order",
            "events tail no-such-event",
            "topology plan",
        )
    }
    require_unchanged("exit-codes", found)
