"""`python -m infra.lab.stand_ins` runs the stand-ins until SIGTERM. Killing it is safe, too."""

import signal
import sys

import uvicorn

from infra.lab.stand_ins.app import create_app
from infra.lab.stand_ins.connection_cuts import CuttableProtocol
from infra.lab.stand_ins.settings import Settings
from marketplace_runtime.telemetry import configure_logging


def main() -> None:
    """Serves on the host and ports that the environment sets."""
    settings = Settings()
    configure_logging("outside", format=settings.log_format, level=settings.log_level)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))  # uvicorn raises the signal again after it has stopped
    uvicorn.run(
        create_app(settings),
        host=settings.outside_host,
        port=settings.outside_port,
        loop="uvloop",
        http=CuttableProtocol,
        ws="none",
        access_log=False,
        proxy_headers=False,
        log_config=None,
        timeout_graceful_shutdown=1,
        timeout_keep_alive=75,
    )


if __name__ == "__main__":
    main()
