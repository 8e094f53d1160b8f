"""One user who sends far more requests than allowed, from a process of its own.

The client is a bare socket: an HTTP library would take so much of the processor that it slowed everything down.
"""

import asyncio
import multiprocessing
import re
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

from tests.benchmarks.gateway.load import User

START_WITHIN_S = 20
LIMITED = 429
LENGTH = re.compile(rb"\r\ncontent-length: (\d+)\r\n", re.IGNORECASE)


@asynccontextmanager
async def flood(base: str, user: User, rate: float) -> AsyncIterator[Counter[int]]:
    """Let one user send `rate` requests per second during the block, which begins once the user is limited.

    The counter has the statuses of the answers, once the block has ended.
    """
    ours, theirs = multiprocessing.Pipe()
    process = multiprocessing.get_context("spawn").Process(target=_flood, args=(base, user, rate, theirs), daemon=True)
    process.start()
    statuses: Counter[int] = Counter()
    try:
        if not await asyncio.to_thread(ours.poll, START_WITHIN_S):
            raise TimeoutError("the flood did not reach the limit")
        ours.recv()
        yield statuses
        ours.send("stop")
        statuses.update(await asyncio.to_thread(ours.recv))
    finally:
        process.terminate()
        process.join()


def _flood(base: str, user: User, rate: float, pipe: Connection) -> None:
    where = urlsplit(base)
    request = f"GET {user.cart} HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {user.token}\r\n\r\n".encode()
    statuses: Counter[int] = Counter()
    with socket.create_connection((where.hostname, where.port)) as connection:
        began = time.perf_counter()
        while not pipe.poll():
            due = began + statuses.total() / rate
            time.sleep(max(0.0, due - time.perf_counter()))
            status = _send(connection, request)
            if status == LIMITED and not statuses[LIMITED]:
                pipe.send("limited")
            statuses[status] += 1
    pipe.send(statuses)


def _send(connection: socket.socket, request: bytes) -> int:
    """Send a request, read the whole answer, and return its status."""
    connection.sendall(request)
    answer = b""
    while b"\r\n\r\n" not in answer:
        answer += connection.recv(65_536)
    head, _, body = answer.partition(b"\r\n\r\n")
    length = LENGTH.search(head + b"\r\n")
    missing = int(length[1]) - len(body) if length else 0
    while missing > 0:
        missing -= len(connection.recv(missing))
    return int(head.split(maxsplit=2)[1])
