"""Answers that are none: a connection cut before the answer, and a request that nobody ever answers."""

import asyncio

from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HANG_AT_MOST_S = 60.0
_EXTENSION = "infra.lab.stand_ins.cut"


class CuttableProtocol(HttpToolsProtocol):
    """HTTP/1.1 as uvicorn speaks it, where the app may reset the connection (an ASGI extension of ours)."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {_EXTENSION: {"abort": self.transport.abort}}


class CutConnection(Response):
    """Resets the connection: the client cannot know whether its request was done."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope["extensions"][_EXTENSION]["abort"]()
        await _gone(receive)


class NeverAnswer(Response):
    """Keeps the client waiting until it hangs up, for a minute at most; then the connection is reset."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await asyncio.wait_for(_gone(receive), HANG_AT_MOST_S)
        except TimeoutError:
            await CutConnection()(scope, receive, send)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
