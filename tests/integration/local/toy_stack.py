"""Runs a supervisor of toy services: `python toy_stack.py NAME`. A toy answers HTTP and exits on GET /crash."""

import asyncio
import http.server
import json
import os
import sys
import threading
from pathlib import Path

from infra.stack.environment import services_of
from infra.stack.layout import CHECKOUT, layout
from infra.stack.run import supervise
from infra.stack.stack import Programs

ME = str(Path(__file__).resolve())
SERVICES = ["catalog", "delivery"]
EXPOSED = {
    "problem_type_prefix": "urn:problem:toy:",
    "audience": "toy",
    "services": {
        name: [{"method": "GET", "path": f"/{name}/{{id}}", "needs_token": False, "role": None, "cost": 1}]
        for name in SERVICES
    },
}


class Toy(http.server.BaseHTTPRequestHandler):
    """Answers with its process id on every path except /crash."""

    def do_GET(self) -> None:
        if self.path == "/crash":
            os._exit(3)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode())


def main() -> None:
    if sys.argv[1] == "--serve":
        for name in {"HTTP_PORT", "OPS_PORT", "OUTSIDE_PORT"} & os.environ.keys():
            server = http.server.ThreadingHTTPServer(("127.0.0.1", int(os.environ[name])), Toy)
            threading.Thread(target=server.serve_forever).start()
        return
    programs = Programs(
        services=SERVICES,
        service=lambda _: (sys.executable, ME, "--serve"),
        stand_ins=(sys.executable, ME, "--serve"),
        declare=(sys.executable, "-c", ""),
        exposed=(sys.executable, "-c", f"print({json.dumps(EXPOSED)!r})"),
        proxy=(sys.executable, "-m", "infra.lab.chaos.proxy"),
        repository=CHECKOUT,
    )
    assert set(SERVICES) <= set(services_of(CHECKOUT))
    asyncio.run(supervise(layout(sys.argv[1]), programs))


if __name__ == "__main__":
    main()
