"""Settings of the stand-ins, from the environment."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    """Settings from environment variables, whose names are those of the fields in capitals."""

    outside_host: str = "127.0.0.1"
    outside_port: int = Field(ge=1, le=65535)
    smtp_port: int = Field(ge=1, le=65535)
    state_dir: Path
    """Directory of the ledger and the signing key. It is created if missing, accessible by its owner only."""
    carrier_webhook_secret: SecretStr
    """`whsec_` and base64, as in Standard Webhooks. The receiver of the callbacks has the same secret."""
    oidc_audience: str = "marketplace"
    carrier_dispatch_after_s: float = Field(default=0.5, ge=0)
    carrier_deliver_after_s: float = Field(default=0.5, ge=0)
    log_format: Literal["json", "console"] = "json"
    log_level: str = "info"

    @property
    def issuer(self) -> str:
        """The `iss` claim of every token, and the base URL of OIDC discovery."""
        return f"http://{self.outside_host}:{self.outside_port}/identity"
