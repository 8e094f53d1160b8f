"""Defines the gateway's settings, which it reads from the environment of `./marketplace up`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from infra.stack.errors import LocalError

PREFIX = "GATEWAY_"
ORIGINS = f"{PREFIX}CORS_ORIGINS"

MAX_BODY_BYTES = 64 * 1024
"""Maximum size of a request's body, as in the services. This limit and the next cannot be set."""
MAX_HEADERS_KIB, MAX_HEADERS = 64, 100


@dataclass(frozen=True)
class GatewaySettings:
    """Limits on what clients may send. Rates are in requests per second, where an expensive request counts as more."""

    user_rate: int = 50
    """Rate that each user may sustain."""
    user_burst: int = 100
    """Number of requests that a user may send at once after a pause."""
    address_rate: int = 100
    """Rate that all requests without a valid token from one address may sustain."""
    address_burst: int = 200
    max_connections: int = 10_000
    """Maximum number of open client connections. Further ones are closed."""
    request_timeout_s: int = 10
    """Maximum seconds for the head of a request to arrive, and also for the whole request."""
    key_refresh_s: int = 300
    """Seconds between two fetches of the identity provider's keys. A new key must be published that long before it is
    used."""
    cors_origins: tuple[str, ...] = ()
    """Origins, such as `https://shop.example`, whose pages may call the APIs from a browser."""

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> "GatewaySettings":
        """Read the settings from the variables `GATEWAY_USER_RATE` and so on. Origins are separated by commas.

        Raises `LocalError` for a value that is not valid.
        """
        numbers = {}
        for name in cls.__dataclass_fields__.keys() - {"cors_origins"}:
            variable = f"{PREFIX}{name.upper()}"
            if variable in environment:
                numbers[name] = _positive_integer(variable, environment[variable])
        return cls(**numbers, cors_origins=_origins(environment.get(ORIGINS, "")))


SETTINGS = tuple(f"{PREFIX}{name.upper()}" for name in GatewaySettings.__dataclass_fields__)
"""The variables that set them."""


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(filter(None, (each.strip() for each in text.split(","))))
    for each in origins:
        if not re.fullmatch(r"https?://[^/?#*\s@]+", each):
            raise LocalError(
                f"{ORIGINS} contains {each!r}, which is not an origin.",
                "Write each as its page's scheme, host and port, such as https://shop.example, separated by commas.",
            )
    return origins


def _positive_integer(variable: str, text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,7}", text) or not 0 < int(text) <= 1_000_000:
        raise LocalError(f"{variable}={text} is not a number from 1 to 1,000,000.", f"Change or unset {variable}.")
    return int(text)
