"""`python -m infra.lab.chaos.proxy LINKS.json PORT` serves the links, and an HTTP API to control them on the port.

A link whose name ends with a dot and a number, such as `gateway:cart.2`, leads to one replica. Its name without them
stands for the links to all replicas.
"""

import asyncio
import json
import sys
from pathlib import Path

from aiohttp import web
from pydantic import ValidationError

from infra.lab.chaos.proxy.link import Link, is_named
from infra.lab.chaos.proxy.toxics import Toxics


class Links:
    """The links by name, as their file lists them."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.by_name: dict[str, Link] = {}

    async def load(self) -> None:
        """Open the links that the file lists and that are not open yet."""
        for name, link in json.loads(self._file.read_text()).items():
            if name not in self.by_name:
                self.by_name[name] = Link(**link)
                await self.by_name[name].open()

    def named(self, name: str) -> list[Link]:
        """Return the link, or the links to all replicas."""
        return [link for known, link in self.by_name.items() if is_named(known, name)]


def create_control_app(links: Links) -> web.Application:
    """Return the control API.

    GET /links lists links, POST /links opens new ones in the file, PUT /links/{name} sets a link's toxics, and DELETE
    clears them.
    """

    async def show(_: web.Request) -> web.Response:
        return web.json_response({name: _as_json(link) for name, link in links.by_name.items()})

    async def load(request: web.Request) -> web.Response:
        await links.load()
        return await show(request)

    async def change(request: web.Request) -> web.Response:
        found = links.named(request.match_info["name"])
        if not found:
            raise web.HTTPNotFound(text=f"no such link; the links are {', '.join(links.by_name)}")
        try:
            toxics = Toxics() if request.method == "DELETE" else Toxics.model_validate_json(await request.read())
        except ValidationError as error:
            raise web.HTTPUnprocessableEntity(text=str(error)) from None
        for link in found:
            link.set_toxics(toxics)
        return web.json_response(_as_json(found[0]))

    async def live(_: web.Request) -> web.Response:
        return web.Response()

    app = web.Application()
    app.router.add_get("/livez", live)
    app.router.add_get("/links", show)
    app.router.add_post("/links", load)
    app.router.add_put("/links/{name}", change)
    app.router.add_delete("/links/{name}", change)
    return app


def _as_json(link: Link) -> dict[str, object]:
    return {"toxics": link.toxics.model_dump(exclude_defaults=True), "counts": dict(link.counts)}


async def serve(file: Path, port: int) -> None:
    """Listen on every link in the file, then on the control port, until cancelled."""
    links = Links(file)
    await links.load()
    runner = web.AppRunner(create_control_app(links), access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1]), int(sys.argv[2])))
