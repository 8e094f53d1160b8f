"""Runs Envoy with a generated configuration, and with services of its own behind it."""

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

from infra.stack.gateway import Configuration, Exposure, find_envoy
from infra.stack.gateway.certificate import ensure_certificate

VALIDATED_WITHIN_S = 20


def validate(configuration: Configuration, exposure: Exposure) -> None:
    """Let Envoy check the whole configuration. Raises AssertionError with Envoy's complaints.

    It checks only what the bootstrap contains. So what it would load from watched files is moved into the bootstrap.
    """
    configuration.write(exposure)
    for service in exposure.services:
        configuration.write_replicas(service, [1])
    ensure_certificate(configuration.certificate, configuration.authority)
    documents = copy.deepcopy(configuration.documents(exposure))
    listeners = documents["listeners"]["resources"]
    for listener in listeners:
        for chain in listener["filter_chains"]:
            for manager in (each["typed_config"] for each in chain["filters"]):
                manager.pop("rds", None)  # both listeners share one manager
                manager["route_config"] = without_type(documents["routes"]["resources"][0])
    bootstrap = documents["bootstrap"]
    del bootstrap["dynamic_resources"]
    bootstrap["static_resources"] = {
        "listeners": [without_type(each) for each in listeners],
        "clusters": [without_type(each) for each in documents["clusters"]["resources"]],
    }
    file = configuration.directory / "static.json"
    file.write_text(json.dumps(bootstrap))
    checked = run_validation(file)
    assert checked.returncode == 0, checked.stderr
    assert "Deprecated field" not in checked.stderr, checked.stderr


def run_validation(bootstrap: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [find_envoy(), "--mode", "validate", "--config-path", bootstrap, "--log-level", "warning"],
        capture_output=True,
        text=True,
        timeout=VALIDATED_WITHIN_S,
        check=False,
    )


def without_type(resource: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name != "@type"}
