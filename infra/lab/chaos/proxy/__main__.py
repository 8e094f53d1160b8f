"""`python -m infra.lab.chaos.proxy LINKS.json PORT` serves the links, and an HTTP API to control them on the port."""

import asyncio
import json
import sys
from collections.abc import Mapping
from pathlib import Path

from aiohttp import web
from pydantic import ValidationError

from infra.lab.chaos.proxy.link import Link
from infra.lab.chaos.proxy.toxics import Toxics


def create_control_app(links: Mapping[str, Link]) -> web.Application:
    """Return the control API: GET /links lists links, PUT /links/{name} sets a link's toxics, DELETE clears them."""

    async def show(_: web.Request) -> web.Response:
        return web.json_response({name: _as_json(link) for name, link in links.items()})

    async def change(request: web.Request) -> web.Response:
        link = links.get(request.match_info["name"])
        if link is None:
            raise web.HTTPNotFound(text=f"no such link; the links are {', '.join(links)}")
        try:
            link.set_toxics(
                Toxics() if request.method == "DELETE" else Toxics.model_validate_json(await request.read())
            )
        except ValidationError as error:
            raise web.HTTPUnprocessableEntity(text=str(error)) from None
        return web.json_response(_as_json(link))

    async def live(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/livez", live)
    app.router.add_get("/links", show)
    app.router.add_put("/links/{name}", change)
    app.router.add_delete("/links/{name}", change)
    return app


def _as_json(link: Link) -> dict[str, object]:
    return {"toxics": link.toxics.model_dump(exclude_defaults=True), "counts": dict(link.counts)}


async def serve(links: Mapping[str, Link], port: int) -> None:
    """Listen on every link, then on the control port, until cancelled."""
    for link in links.values():
        await link.open()
    runner = web.AppRunner(create_control_app(links), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


async def main() -> None:
    """Serve the links and the control port that are given on the command line."""
    known = json.loads(Path(sys.argv[1]).read_text())  # noqa: ASYNC240 - nothing else runs yet
    await serve({name: Link(**link) for name, link in known.items()}, int(sys.argv[2]))


if __name__ == "__main__":
    asyncio.run(main())
