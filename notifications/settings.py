"""What notifications reads from its environment."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

Seconds = Annotated[float, Field(gt=0)]


class MailServer(BaseSettings):
    """Which mail server takes our mail, and how much of our time it may take."""

    smtp_host: str = "127.0.0.1"
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = 25
    mail_from: Annotated[str, Field(pattern=r"^[!-~]+@[!-~]+$")] = "no-reply@marketplace.example"
    smtp_timeout_s: Seconds = 10
    """For one mail, connecting included."""
    smtp_connections: Annotated[int, Field(ge=1)] = 16
    smtp_idle_s: Seconds = 20
    """A connection that was idle for longer is not used again: the server may be about to close it."""
