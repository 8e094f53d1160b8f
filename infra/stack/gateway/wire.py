"""Builds the parts of Envoy's configuration that recur, and writes its files.

Field names and types are those of Envoy's API, version 3 (https://www.envoyproxy.io/docs/envoy/latest/api-v3/api).
"""

import json
from pathlib import Path
from typing import Any

from infra.stack.passwords import write_private

Document = dict[str, Any]


def extension(name: str, message: str, **fields: Any) -> Document:
    """Return the configuration of one extension of Envoy, whose protobuf type is `message`."""
    return {"name": name, "typed_config": {"@type": f"type.googleapis.com/{message}", **fields}}


def discovery_response(*resources: Document) -> Document:
    """Return the content of a file that Envoy watches."""
    return {"resources": list(resources)}


def watched_file(path: Path) -> Document:
    """Return a reference to a file that Envoy reads, and reads again whenever it is replaced."""
    return {"path_config_source": {"path": str(path)}, "resource_api_version": "V3"}


def address(port: int, host: str = "127.0.0.1") -> Document:
    """Return the address of a TCP port."""
    return {"socket_address": {"address": host, "port_value": port}}


def replace_file(path: Path, document: Document) -> None:
    """Replace a file by moving a new one to its place: Envoy does not notice other changes."""
    write_private(path, json.dumps(document, indent=2) + "\n")
