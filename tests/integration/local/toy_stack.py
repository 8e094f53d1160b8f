"""Runs a supervisor of toy services: `python toy_stack.py NAME`. A toy answers HTTP and exits on GET /crash."""

import asyncio
import http.server
import os
import sys
from pathlib import Path

from infra.stack.environment import services_of
from infra.stack.layout import CHECKOUT, layout
from infra.stack.run import supervise
from infra.stack.stack import Programs

ME = str(Path(__file__).resolve())
SERVICES = ["catalog", "delivery"]


class Toy(http.server.BaseHTTPRequestHandler):
    """Answers 200 on every path except /crash."""

    def do_GET(self) -> None:
        if self.path == "/crash":
            os._exit(3)
        self.send_response(200)
        self.end_headers()


def main() -> None:
    if sys.argv[1] == "--serve":
        port = int(os.environ.get("OPS_PORT") or os.environ["OUTSIDE_PORT"])
        http.server.ThreadingHTTPServer(("127.0.0.1", port), Toy).serve_forever()
    programs = Programs(
        services=SERVICES,
        service=lambda _: (sys.executable, ME, "--serve"),
        stand_ins=(sys.executable, ME, "--serve"),
        declare=(sys.executable, "-c", ""),
        proxy=(sys.executable, "-m", "infra.lab.chaos.proxy"),
        repository=CHECKOUT,
    )
    assert set(SERVICES) <= set(services_of(CHECKOUT))
    asyncio.run(supervise(layout(sys.argv[1]), programs))


if __name__ == "__main__":
    main()
