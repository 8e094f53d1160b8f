"""What the process is told by its environment."""

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr
from pydantic_settings import BaseSettings


class Settings(BaseSettings):
    """Read from the environment; the names there are these in capitals."""

    outside_host: str = "127.0.0.1"
    outside_port: int = Field(ge=1, le=65535)
    smtp_port: int = Field(ge=1, le=65535)
    state_dir: Path
    """Ledger and signing key live here; made if it is missing, for its owner only."""
    carrier_webhook_secret: SecretStr
    """`whsec_` and base64, as Standard Webhooks writes it; who receives the callbacks knows it too."""
    oidc_audience: str = "marketplace"
    carrier_dispatch_after_s: float = Field(default=0.5, ge=0)
    carrier_deliver_after_s: float = Field(default=0.5, ge=0)
    log_format: Literal["json", "console"] = "json"
    log_level: str = "info"

    @property
    def issuer(self) -> str:
        """The `iss` of every token, and where OIDC discovery starts."""
        return f"http://{self.outside_host}:{self.outside_port}/identity"
