"""Responses that simulate lost answers: a connection reset before the answer, and a request that is never answered."""

import asyncio

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HANG_S = 60.0
_EXTENSION = "infra.lab.stand_ins.cut"


class CuttableProtocol(HttpToolsProtocol):
    """Uvicorn's HTTP/1.1 protocol, with an ASGI extension of our own that lets the app reset the connection."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: {"abort": self.transport.abort}}


class CutConnection(Response):
    """Resets the connection, so the client cannot know whether its request was carried out."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"][_EXTENSION]["abort"]()
        await _wait_for_disconnect(receive)


class NeverAnswer(Response):
    """Never answers. Resets the connection after `MAX_HANG_S` (a minute), unless the client disconnects earlier."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.wait_for(_wait_for_disconnect(receive), MAX_HANG_S)
        except TimeoutError:
            await CutConnection()(scope, receive, send)


async def _wait_for_disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
