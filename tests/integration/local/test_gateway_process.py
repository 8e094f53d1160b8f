"""The gateway can be killed and started, keeps its addresses, and keeps its configuration if it rejects a new one."""

import asyncio
import os
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from infra.stack import delete_stack, read_state
from infra.stack.layout import layout
from tests.integration.local.running_stack import down, until, up
from tests.integration.local.toy_stack import SERVICES
from tests.integration.local.toys import Toys


async def test_a_killed_gateway_refuses_connections_and_serves_at_once_after_its_start(toys: Toys) -> None:
    gateway = toys.gateway
    await toys.order("kill", "gateway")
    with pytest.raises(aiohttp.ClientConnectorError):
        await toys.get()
    assert (await toys.replica("catalog.1"))["gateway"] == "absent"
    await toys.order("start", "gateway")
    assert toys.gateway == gateway
    assert [(await toys.get(f"/{service}/1"))[0] for service in (*SERVICES, *SERVICES)] == [200] * 4


async def test_rejected_configuration_is_reported_while_the_old_one_stays_in_use(toys: Toys) -> None:
    directory = toys.where.directory / "gateway"
    files = [directory / name for name in ("listeners.json", "clusters.json", "replicas/catalog.json")]
    good = {file: file.read_text() for file in files}
    broken = {
        files[0]: good[files[0]].replace('"stat_prefix": "gateway"', '"stat_prefix": ""'),
        files[1]: good[files[1]].replace('"connect_timeout": "0.5s"', '"connect_timeout": "-1s"'),
        files[2]: "{",
    }
    for file in files:
        assert broken[file] != good[file]
        replace(file, broken[file])

    def reported(now: dict[str, Any]) -> bool:
        return all(name in now["gateway"]["why"] for name in ("listener", "cluster_manager.cds", "cluster.catalog"))

    await until(toys.where, reported, within_s=3)
    async with toys.load() as load:
        await asyncio.sleep(0.1)
    load.require_no_failure(at_least=3)
    for file in files:
        replace(file, good[file])
    await until(toys.where, lambda now: not now["gateway"]["why"], within_s=3)
    assert (await toys.get())[0] == 200


def replace(file: Path, text: str) -> None:
    new = file.with_suffix(".new")
    new.write_text(text)
    new.replace(file)


@pytest.mark.slow  # a stack starts twice
async def test_a_stack_keeps_its_gateways_addresses_when_it_is_down(given_servers: None) -> None:
    where = layout(f"toys-again-{os.getpid()}")
    try:
        await down(where, await up(where))
        before = read_state(where.state)
        supervisor = await up(where)
        assert read_state(where.state).gateway == before.gateway
        assert read_state(where.state).ports == before.ports
        async with aiohttp.ClientSession() as http, http.get(f"{before.gateway['http']}/catalog/1") as answer:
            assert answer.status == 200
        await down(where, supervisor)
    finally:
        delete_stack(where)
