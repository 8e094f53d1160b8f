"""A durable ledger for many concurrent requests.

It is a SQLite file in WAL mode with `synchronous=FULL`, owned by one thread. All waiting jobs are done in one
transaction (a *group commit*), so a hundred writers cost a few fsyncs. Jobs run one at a time, and each sees the whole
effect of those before it. Idempotency keys rely on this.
"""

import asyncio
import json
import queue
import sqlite3
import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    seq INTEGER PRIMARY KEY AUTOINCREMENT, part TEXT NOT NULL, entry TEXT NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS entries_by_part ON entries (part, seq);
"""
MAX_JOBS_PER_COMMIT = 256
"""Maximum number of jobs in one commit."""


@dataclass(frozen=True)
class _Job:
    work: Callable[[sqlite3.Connection], Any]
    answer: asyncio.Future[Any]


class Ledger:
    """Owns a SQLite file and the thread that uses it.

    `run` returns once the commit with the job's effect is on disk. A job that raises is rolled back and does not affect
    other jobs of the same commit.
    """

    def __init__(self, path: Path, *, schemas: tuple[str, ...] = ()) -> None:
        self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
        self._connection.row_factory = sqlite3.Row
        self._connection.execute("PRAGMA journal_mode=WAL")
        self._connection.execute("PRAGMA synchronous=FULL")
        for schema in (SCHEMA, *schemas):
            self._connection.executescript(schema)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._loop = asyncio.get_running_loop()
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """Runs `work` in the ledger's thread. Returns its result once its effect is durable.

        Raises the exception of `work`, or `sqlite3.Error` if the commit fails.
        """
        answer: asyncio.Future[T] = self._loop.create_future()
        self._jobs.put(_Job(work, answer))
        return await answer

    async def close(self) -> None:
        """Finishes all jobs submitted so far, then closes the file."""
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)
        self._connection.close()

    def _run(self) -> None:
        while (job := self._jobs.get()) is not None:
            group, last = [job], False
            while len(group) < MAX_JOBS_PER_COMMIT and not last:
                try:
                    following = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    last = True
                else:
                    group.append(following)
            self._loop.call_soon_threadsafe(_resolve, self._commit(group))
            if last:
                return

    def _commit(self, group: list[_Job]) -> list[tuple[_Job, Any, BaseException | None]]:
        try:
            self._connection.execute("BEGIN IMMEDIATE")
            outcomes = [self._try(job) for job in group]
            self._connection.execute("COMMIT")
        except sqlite3.Error as error:  # such as a full disk: the group is rolled back, and all callers get the error
            if self._connection.in_transaction:
                self._connection.execute("ROLLBACK")
            return [(job, None, error) for job in group]
        return outcomes

    def _try(self, job: _Job) -> tuple[_Job, Any, BaseException | None]:
        self._connection.execute("SAVEPOINT job")
        try:
            outcome: tuple[_Job, Any, BaseException | None] = (job, job.work(self._connection), None)
        except Exception as error:  # noqa: BLE001 - any error is raised to the caller of `run`
            self._connection.execute("ROLLBACK TO job")
            outcome = (job, None, error)
        self._connection.execute("RELEASE job")
        return outcome


def _resolve(outcomes: list[tuple[_Job, Any, BaseException | None]]) -> None:
    for job, result, error in outcomes:
        if job.answer.done():  # the caller was cancelled; the effect stays
            continue
        if error is None:
            job.answer.set_result(result)
        else:
            job.answer.set_exception(error)


def now() -> str:
    """Returns the present time for an entry: ISO 8601, UTC."""
    return datetime.now(UTC).isoformat()


def append_entry(connection: sqlite3.Connection, part: str, entry: dict[str, Any]) -> None:
    """Adds an entry with the present time to the part's ledger. Entries are never changed."""
    connection.execute("INSERT INTO entries (part, entry) VALUES (?, ?)", (part, json.dumps({**entry, "at": now()})))


def entries_page(
    connection: sqlite3.Connection, part: str, after: int, limit: int
) -> tuple[list[dict[str, Any]], int | None]:
    """Returns up to `limit` of the part's entries after number `after`, and the number to continue from.

    The number is None if there are no more entries.
    """
    rows = connection.execute(
        "SELECT seq, entry FROM entries WHERE part = ? AND seq > ? ORDER BY seq LIMIT ?", (part, after, limit)
    ).fetchall()
    entries = [{"seq": row["seq"], **json.loads(row["entry"])} for row in rows]
    return entries, rows[-1]["seq"] if len(rows) == limit else None
