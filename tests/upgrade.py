"""Tests the upgrade from an earlier tree: its data, its orders in flight, and replicas of both trees side by side.

    .venv/bin/python -m tests.upgrade [REVISION]

Takes about three minutes. The earlier tree takes orders while its services are killed one by one, so that orders wait
at every step. This tree starts on that data, and every order has to end. Then a replica of each service of the earlier
tree runs beside ours under traffic. The audit has to pass after both. Exits with 1 and the reason if anything is wrong.
"""

import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from infra.stack import CHECKOUT, python_path
from tests.benchmarks.trees import commit_of, python_of, worktree

BEFORE = "8c42fe7c470bcc31dd3d2e7f2fcb6b337761e77f"
"""The last commit before packages were moved and renamed."""
STACK = "upgrade"
SERVICES = ("catalog", "cart", "checkout", "notifications", "delivery")
DYING = ("delivery", "catalog", "checkout")
BETWEEN_DEATHS_S = 5
"""The first service is killed when the shop is open."""
STOPPED_WITHIN_S = 30


class Tree:
    """A checkout. The command lines of both trees operate the same stack."""

    def __init__(self, directory: Path, state_home: str) -> None:
        self.directory, self._state_home = directory, state_home

    def run(self, *arguments: str) -> str:
        """Run `./marketplace --stack upgrade …` and return its output. Raises CalledProcessError."""
        print(f"{self.directory.name}: ./marketplace {' '.join(arguments)}", flush=True)
        done = subprocess.run(
            [self.directory / "marketplace", "--stack", STACK, *arguments],
            cwd=self.directory,
            env=os.environ | {"MARKETPLACE_STATE_HOME": self._state_home},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            print(done.stdout, done.stderr, sep="\n")
            done.check_returncode()
        return done.stdout

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.run("status", "--json"))
        return found


def shop_while_services_die(tree: Tree) -> None:
    """Leave orders that wait for delivery, for stock and for checkout."""
    with ThreadPoolExecutor(1) as pool:
        shopping = pool.submit(tree.run, "traffic", "--rate", "5", "--duration", "20", "--drain", "0", "--seed", "1")
        for service in DYING:
            time.sleep(BETWEEN_DEATHS_S)
            tree.run("kill", service)
        shopping.result()


@contextmanager
def replica_beside(service: str, pid: int, tree: Path) -> Iterator[int]:
    """Run a replica of `tree` with the environment of the process `pid`. Yields the replica's own operations port."""
    environment = dict(
        each.split("=", 1) for each in Path(f"/proc/{pid}/environ").read_text().split("\0") if "=" in each
    )
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    environment |= {"OPS_PORT": str(port), "PYTHONPATH": python_path(tree)}
    with tempfile.TemporaryFile() as log:
        running = subprocess.Popen(
            [python_of(tree), "-m", service], cwd=tree, env=environment, stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield port
        finally:
            running.send_signal(signal.SIGTERM)
            running.wait(STOPPED_WITHIN_S)


def handled(port: int) -> float:
    """Return how many messages the process with this port has committed."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(
        float(line.rpartition(" ")[2])
        for line in lines
        if line.startswith("messaging_process_total") and 'outcome="committed"' in line
    )


def work_side_by_side(ours: Tree, theirs: Path, state: Path) -> None:
    """Run traffic while every service has a replica of each tree. Raises AssertionError if one handled nothing."""
    parts = ours.status()["parts"]
    services = json.loads(state.read_text())["services"]
    with ExitStack() as replicas:
        ports = {
            service: replicas.enter_context(replica_beside(service, parts[f"{service}.1"]["pid"], theirs))
            for service in SERVICES
        }
        ours.run("traffic", "--rate", "8", "--duration", "20", "--seed", "9")
        for service, port in ports.items():
            own = int(services[service]["ops"][f"{service}.1"].rpartition(":")[2])
            found = {"earlier": handled(port), "ours": handled(own)}
            print(f"{service}: messages handled by each replica: {found}")
            assert all(found.values()), f"{service}: a replica handled nothing"


def main() -> None:
    commit = commit_of(sys.argv[1] if len(sys.argv) > 1 else BEFORE)
    with tempfile.TemporaryDirectory(prefix="marketplace-upgrade-") as home, worktree(commit) as earlier:
        Path(home).chmod(0o711)  # PostgreSQL may run as another account
        theirs, ours = Tree(earlier, home), Tree(CHECKOUT, home)
        try:
            theirs.run("up", "-d")
            shop_while_services_die(theirs)
            theirs.run("down")
            ours.run("up", "-d")
            ours.run("audit", "--settle", "90")
            work_side_by_side(ours, earlier, Path(home, STACK, "stack.json"))
            print(ours.run("audit", "--settle", "90"))
        finally:
            ours.run("down", "--volumes")
    print(f"The upgrade from {commit[:12]} to this tree succeeded.")


if __name__ == "__main__":
    main()
