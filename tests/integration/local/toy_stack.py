"""Runs a supervisor of toy services: `python toy_stack.py NAME`. A toy answers HTTP and exits on GET /crash."""

import asyncio
import http.server
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

from infra.stack.environment import services_of
from infra.stack.layout import CHECKOUT, layout
from infra.stack.run import supervise
from infra.stack.stack_programs import Programs

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
SLOW_S = 0.7


class Toy(http.server.BaseHTTPRequestHandler):
    """Answers with its process id on every path except /crash, and on …/slow only after `SLOW_S`."""

    def do_GET(self) -> None:
        if self.path == "/crash":
            os._exit(3)
        if self.path.endswith("/slow"):
            time.sleep(SLOW_S)
        self.send_response(200)
        self.end_headers()
        self.wfile.write(str(os.getpid()).encode())

    def log_request(self, *_: object) -> None:
        """Log nothing, since health checks would fill the log."""


class Server(http.server.ThreadingHTTPServer):
    """Finishes requests under way when it is closed."""

    daemon_threads = False
    request_queue_size = 128


def serve() -> None:
    """Serve on every given port until SIGTERM, and then finish the requests under way."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    ports = [int(os.environ[name]) for name in ("HTTP_PORT", "OPS_PORT", "OUTSIDE_PORT") if name in os.environ]
    servers = [Server(("127.0.0.1", port), Toy) for port in ports]
    for server in servers:
        threading.Thread(target=server.serve_forever, args=[0.02]).start()
    signal.sigwait({signal.SIGTERM})
    for server in servers:
        server.shutdown()
        server.server_close()


def main() -> None:
    if sys.argv[1] == "--serve":
        serve()
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
