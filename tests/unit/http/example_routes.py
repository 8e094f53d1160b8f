"""Routes of a service for tests: public and private ones, and one for each kind of failure."""

from typing import Any
from uuid import UUID, uuid4

from fastapi import Request, Response
from pydantic import BaseModel, Field

from marketplace_runtime.http import (
    Caller,
    Conflict,
    Cursor,
    NotFound,
    Page,
    PageSize,
    PersonPath,
    Router,
    Seller,
    Tx,
    require_owner,
)


class Thing(BaseModel):
    name: str = "x"
    size: int = Field(default=1, ge=0)
    more: Any = None


class Taken(Conflict):
    slug, title = "taken", "Already taken"


def routes() -> Router:
    router = Router()

    @router.get("/public")
    async def public() -> Thing:
        return Thing()

    @router.get("/mine/{person}")
    async def mine(person: PersonPath, caller: Caller, tx: Tx) -> Thing:
        require_owner(caller, person)
        return Thing(name=caller.subject)

    @router.put("/mine/{person}")
    async def put_mine(person: PersonPath, thing: Thing, caller: Caller, tx: Tx) -> Thing:
        require_owner(caller, person)
        return thing

    @router.post("/things", status_code=201)
    async def post(thing: Thing, seller: Seller, tx: Tx, response: Response) -> Thing:
        response.headers["Location"] = "/things/1"
        return thing

    @router.post("/raw")
    async def raw(request: Request) -> int:
        return len(await request.body())

    @router.get("/taken")
    async def taken(tx: Tx) -> None:
        raise Taken("Try another.", product_ids=[uuid4()])

    @router.get("/gone")
    async def gone() -> None:
        raise NotFound

    @router.get("/boom")
    async def boom(tx: Tx) -> None:
        raise RuntimeError("secret detail")

    @router.get("/away")
    async def away(tx: Tx) -> None:
        raise ConnectionRefusedError("db")

    @router.get("/list")
    async def listed(limit: PageSize = 2, cursor: Cursor[UUID] = None) -> Page[UUID]:
        every = [UUID(int=n) for n in range(5)]
        after = [each for each in every if cursor is None or each > cursor]
        return Page[UUID].of(after[: limit + 1], limit, key=lambda each: each)

    return router
