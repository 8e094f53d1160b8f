"""Settings of notifications, read from environment variables."""

from typing import Annotated

from pydantic import Field
from pydantic_settings import BaseSettings

Seconds = Annotated[float, Field(gt=0)]


class MailServer(BaseSettings):
    """The mail server to use, and limits for the calls to it."""

    smtp_host: str = "127.0.0.1"
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = 25
    mail_from: Annotated[str, Field(pattern=r"^[!-~]+@[!-~]+$")] = "no-reply@marketplace.example"
    smtp_timeout_s: Seconds = 10
    """Seconds for one mail, including the connection."""
    smtp_connections: Annotated[int, Field(ge=1)] = 16
    """Concurrent connections. Further mail waits for at most `smtp_timeout_s`."""
    smtp_idle_s: Seconds = 20
    """Seconds after which an idle connection is not used again, as the server may be about to close it."""
