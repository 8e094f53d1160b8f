"""Asks a running Envoy about its state over its admin interface, which listens on the loopback only."""

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from http.client import HTTPConnection, HTTPException
from typing import Any, NamedTuple
from urllib.parse import quote

TIMEOUT_S = 1.0


class Updates(NamedTuple):
    """How often one part of the configuration was updated."""

    accepted: int
    rejected: int
    """Number of files that Envoy could not read (`update_failure`), or whose content it refused."""


class Admin:
    """A client of the admin interface. Its methods raise `OSError` if Envoy does not answer within a second."""

    def __init__(self, port: int) -> None:
        self._port = port

    async def is_ready(self) -> bool:
        """Return whether Envoy has started all its listeners."""
        return (await self._request("GET", "/ready"))[0] == 200

    async def rejected_updates(self) -> Sequence[str]:
        """Return the names of what Envoy has rejected updates of since its start."""
        return [name for name, updates in (await self.updates()).items() if updates.rejected]

    async def updates(self) -> dict[str, Updates]:
        """Return the numbers of updates of the configuration files since Envoy's start, by what was updated.

        The names are those of Envoy's statistics, such as `cluster_manager.cds` and `cluster.cart`.
        """
        counts: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for statistic, count in (await self.counters(r"\.update_(success|rejected|failure)$")).items():
            name, _, outcome = statistic.rpartition(".update_")
            counts[name][outcome] = count
        return {name: Updates(each["success"], each["rejected"] + each["failure"]) for name, each in counts.items()}

    async def counters(self, pattern: str) -> dict[str, int]:
        """Return the counters and gauges whose names match the regular expression."""
        _, body = await self._request("GET", f"/stats?format=json&filter={quote(pattern)}")
        return {each["name"]: each["value"] for each in json.loads(body)["stats"] if "value" in each}

    async def health_by_address(self) -> Mapping[str, str]:
        """Return the gateway's view of each replica, by its address: `healthy`, `unhealthy` or `ejected`."""
        _, body = await self._request("GET", "/clusters?format=json")
        found = {}
        for cluster in json.loads(body).get("cluster_statuses", ()):
            for host in cluster.get("host_statuses", ()):
                where = host["address"]["socket_address"]
                found[f"{where['address']}:{where['port_value']}"] = _health(host["health_status"])
        return found

    async def drain(self) -> None:
        """Stop accepting connections, and close those that are open after the response to their current request."""
        await self._request("POST", "/drain_listeners")

    async def _request(self, method: str, path: str) -> tuple[int, bytes]:
        return await asyncio.to_thread(self._send, method, path)

    def _send(self, method: str, path: str) -> tuple[int, bytes]:
        connection = HTTPConnection("127.0.0.1", self._port, timeout=TIMEOUT_S)
        try:
            connection.request(method, path)
            response = connection.getresponse()
            return response.status, response.read()
        except HTTPException as error:
            raise ConnectionError(str(error)) from error
        finally:
            connection.close()


def _health(status: Mapping[str, Any]) -> str:
    if status.get("failed_outlier_check"):
        return "ejected"
    return "unhealthy" if status.get("failed_active_health_check") else "healthy"
