"""Builds the environment variables of services and stand-ins.

Of this process's environment, they inherit only the variables that are listed here.
"""

import base64
import os
import secrets
import tomllib
from dataclasses import dataclass
from pathlib import Path

from infra.stack.gateway import SETTINGS as GATEWAY_SETTINGS
from infra.stack.layout import python_path
from infra.stack.passwords import write_private
from infra.stack.proxy_links import Links

SETTINGS = (
    "PAYMENT_DEADLINE_S",
    "RESERVATION_DEADLINE_S",
    "SHIPPING_DEADLINE_S",
    "STOCK_ANSWER_DEADLINE_S",
    "CARRIER_SILENCE_S",
    "CART_ABANDONED_AFTER_S",
    "HTTP_MOST_AT_ONCE",
    "HTTP_POOL_SIZE",
    "HTTP_SLOW_S",
    "HTTP_TIMEOUT_S",
    "MESSAGING_POOL_SIZE",
    "REPLAY_RATE",
    "RETENTION_DAYS",
    "SWEEP_EVERY_S",
)
"""Variables that are passed on to services if the caller's environment sets them. Services have defaults."""
STAND_IN_SETTINGS = ("CARRIER_DISPATCH_AFTER_S", "CARRIER_DELIVER_AFTER_S")
"""Variables that are passed on to the stand-ins in the same way."""
LOG_SETTINGS = {"LOG_FORMAT": "console", "LOG_LEVEL": "info"}
AUDIENCE = "marketplace"


def services_of(checkout: Path) -> list[str]:
    """Return the names of the services that are listed in pyproject.toml."""
    with (checkout / "pyproject.toml").open("rb") as file:
        services: list[str] = tomllib.load(file)["tool"]["marketplace"]["services"]
    return services


@dataclass(frozen=True)
class SharedSettings:
    """The settings that all services share: addresses and secrets of the external systems, and the public URLs."""

    repository: Path
    stand_ins_port: int
    smtp_port: int
    webhook_secret: str
    gateway_url: str
    links: Links

    @property
    def stand_ins_url(self) -> str:
        """The base URL of the stand-ins for external systems."""
        return f"http://127.0.0.1:{self.stand_ins_port}"

    @property
    def issuer(self) -> str:
        """The URL of the local identity issuer."""
        return f"{self.stand_ins_url}/identity"

    def stand_ins_environment(self, state_directory: Path) -> dict[str, str]:
        """Return the environment of `infra.lab.stand_ins`."""
        return self._python_environment() | {
            "OUTSIDE_HOST": "127.0.0.1",
            "OUTSIDE_PORT": str(self.stand_ins_port),
            "SMTP_PORT": str(self.smtp_port),
            "STATE_DIR": str(state_directory),
            "CARRIER_WEBHOOK_SECRET": self.webhook_secret,
            "OIDC_AUDIENCE": AUDIENCE,
            **_passed_on(STAND_IN_SETTINGS),
        }

    def service_environment(
        self, *, database_url: str, owner_url: str, broker_url: str, http_port: int, ops_port: int
    ) -> dict[str, str]:
        """Return the environment of one replica of a service."""
        return self._python_environment() | {
            "DATABASE_URL": database_url,
            "MIGRATION_DATABASE_URL": owner_url,
            "BROKER_URL": broker_url,
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": str(http_port),
            "OPS_PORT": str(ops_port),
            "OIDC_ISSUER": self.issuer,
            "OIDC_AUDIENCE": AUDIENCE,
            "PAYMENT_A_URL": self.links.routed_url("payments-a", f"{self.stand_ins_url}/payments/a"),
            "PAYMENT_B_URL": self.links.routed_url("payments-b", f"{self.stand_ins_url}/payments/b"),
            "CARRIER_A_URL": self.links.routed_url("carriers-a", f"{self.stand_ins_url}/carriers/a"),
            "CARRIER_B_URL": self.links.routed_url("carriers-b", f"{self.stand_ins_url}/carriers/b"),
            "SMTP_HOST": "127.0.0.1",
            "SMTP_PORT": str(self.links.port("mail", "127.0.0.1", self.smtp_port)),
            "MAIL_FROM": "marketplace@localhost",
            "CARRIER_WEBHOOK_SECRET": self.webhook_secret,
            "CHECKOUT_PUBLIC_URL": self.gateway_url,
            "DELIVERY_PUBLIC_URL": self.gateway_url,
            "WEBHOOK_PRIVATE_TARGETS": "true",  # users of this stack have access to its machine anyway
            **_passed_on(SETTINGS),
        }

    def _python_environment(self) -> dict[str, str]:
        logging = {name: os.environ.get(name, default) for name, default in LOG_SETTINGS.items()}
        return {"PYTHONPATH": python_path(self.repository), "PYTHONSAFEPATH": "1", "PYTHONUNBUFFERED": "1", **logging}


def given_settings() -> dict[str, str]:
    """Return the variables of services, stand-ins and gateway that the caller's environment sets."""
    return _passed_on((*SETTINGS, *STAND_IN_SETTINGS, *GATEWAY_SETTINGS))


def _passed_on(names: tuple[str, ...]) -> dict[str, str]:
    return {name: os.environ[name] for name in names if name in os.environ}


def webhook_secret(path: Path) -> str:
    """Return the carriers' signing secret (Standard Webhooks). It is generated once and kept in `path` (mode 0600)."""
    if not path.exists():
        write_private(path, "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode())
    return path.read_text().strip()
