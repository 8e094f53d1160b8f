"""Serves a small service of notes over real HTTP, with a real database."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from fastapi import FastAPI, Request, Response
from pydantic import BaseModel

from contracts.naming import MARKETPLACE
from infra.stack import DatabaseUrls, PrivatePostgres
from marketplace_runtime.database import Database, make_partitions, migrate
from marketplace_runtime.dead_letters import dead_letter_routes
from marketplace_runtime.http import (
    REQUEST_TIMEOUT_S,
    Authenticator,
    Caller,
    Conflict,
    NotFound,
    Router,
    Seller,
    Tx,
    create_app,
    shed_last,
)
from marketplace_runtime.http.server import serve
from marketplace_runtime.outbox import routes as republish
from marketplace_runtime.service import operator_routes
from marketplace_runtime.telemetry import configure_logging
from tests.unit.http.client import AUDIENCE, ISSUER, FakeKeys


class Note(BaseModel):
    id: str
    author: str = "alice"
    text: str = ""


@dataclass
class Steps:
    """Lets a test pause a request between its write and its end."""

    written: asyncio.Event = field(default_factory=asyncio.Event)
    may_continue: asyncio.Event = field(default_factory=asyncio.Event)
    pids: list[int] = field(default_factory=list)


def routes(steps: Steps) -> Router:
    router = Router()

    async def insert(note: Note, tx: Tx) -> None:
        await tx.execute("insert into notes values ($1, $2, $3)", note.id, note.author, note.text)

    @router.post("/notes", status_code=201)
    async def write(note: Note, caller: Caller, tx: Tx, response: Response) -> Note:
        await insert(note, tx)
        response.headers["Location"] = f"/notes/{note.id}"
        return note

    @router.post("/sellers/notes", status_code=201)
    async def sell(note: Note, seller: Seller, tx: Tx) -> Note:
        await insert(note, tx)
        return note

    @router.post("/anyone/{name}/notes", status_code=204)
    async def anyone(name: str, note: Note, tx: Tx) -> None:
        await insert(note, tx)

    @router.post("/signed", status_code=204)
    async def signed(request: Request) -> None:
        assert len(await request.body()) == 100

    @router.post("/refused")
    async def refuse(note: Note, caller: Caller, tx: Tx) -> Note:
        await insert(note, tx)
        raise Conflict("Changed my mind.")

    @router.post("/held", status_code=201)
    async def hold(note: Note, caller: Caller, tx: Tx) -> Note:
        await insert(note, tx)
        [(pid,)] = await tx.execute("select pg_backend_pid()")
        steps.pids.append(pid)
        steps.written.set()
        await steps.may_continue.wait()
        await tx.execute("select 1")
        return note

    @router.post("/promised", status_code=201)
    @shed_last
    async def promised(note: Note, caller: Caller, tx: Tx) -> Note:
        await insert(note, tx)
        return note

    @router.get("/notes/{note}")
    async def read(note: str, tx: Tx) -> Note:
        rows = await tx.execute("select id, author, text from notes where id = $1", note)
        if not rows:
            raise NotFound
        return Note(id=rows[0][0], author=rows[0][1], text=rows[0][2])

    return router


@dataclass
class Answer:
    status: int
    headers: Any
    body: bytes
    json: Any

    @property
    def slug(self) -> str:
        """Return the slug of the problem; assert that the answer is a problem document."""
        assert self.headers["Content-Type"] == "application/problem+json", self.body
        return str(self.json["type"]).removeprefix("urn:problem:marketplace:")


@dataclass
class Web:
    """A client of the running service."""

    session: aiohttp.ClientSession
    url: str
    steps: Steps
    app: FastAPI

    async def request(self, method: str, path: str, **options: Any) -> Answer:
        async with self.session.request(method, self.url + path, **options) as response:
            body = await response.read()
            json = await response.json(content_type=None) if body else None
            return Answer(response.status, response.headers, body, json)

    async def post(self, path: str, note: dict[str, str], headers: dict[str, str], key: str | None = None) -> Answer:
        return await self.request(
            "POST", path, json=note, headers=headers | ({"Idempotency-Key": key} if key is not None else {})
        )


@pytest.fixture(autouse=True, scope="session")
def _logging() -> None:
    configure_logging("notes", format="console", level="warning")


@pytest.fixture(scope="session")
async def urls(postgres: PrivatePostgres) -> DatabaseUrls:
    made = await postgres.server.create_database("notes")
    await migrate(made.owner, app_url=made.app, migrations=Path(__file__).parent / "migrations")
    return made


@pytest.fixture
async def database(urls: DatabaseUrls) -> AsyncIterator[Database]:
    database = Database(urls.app, source="notes")
    async with database.transaction() as tx:
        await make_partitions(tx)
        await tx.execute("delete from notes")
        await tx.execute("delete from messaging.idempotency_keys")
        await tx.execute("delete from messaging.dead_letters")
    yield database
    await database.close()


@asynccontextmanager
async def served(
    database: Database, *, timeout_s: float = REQUEST_TIMEOUT_S, authenticator: Authenticator | None = None
) -> AsyncIterator[Web]:
    async with AsyncExitStack() as stack:
        steps = Steps()
        app = create_app(
            problem_type_prefix=MARKETPLACE.problem_type_prefix,
            service="notes",
            version="1",
            database=database,
            authenticator=authenticator or Authenticator(ISSUER, AUDIENCE, keys=FakeKeys()),
            timeout_s=timeout_s,
            routes=routes(steps),
            ops=[operator_routes.router, republish.router, dead_letter_routes([])],
        )
        session = await stack.enter_async_context(aiohttp.ClientSession())
        ports = await stack.enter_async_context(serve(app, host="127.0.0.1", http_port=0, ops_port=0))
        yield Web(session, f"http://127.0.0.1:{ports.http}", steps, app)


@pytest.fixture
async def web(database: Database) -> AsyncIterator[Web]:
    async with served(database) as running:
        yield running


@pytest.fixture
def unused_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port
