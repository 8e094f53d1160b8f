"""Fault dials: they set how slow each stand-in is, and how often it fails or does not answer.

Dials are kept in memory, so a restart resets all of them.
"""

import asyncio
import random
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from infra.lab.stand_ins.connection_cuts import CutConnection, NeverAnswer
from infra.lab.stand_ins.problems import Problem

Part = Literal["payments-a", "payments-b", "carriers-a", "carriers-b", "mail"]
Rate = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True)
class RequestFaults:
    """The faults that apply to one request."""

    delay_s: float
    hangs: bool
    throttled: bool
    fails: bool
    declined: bool
    loses_answer: bool

    def names(self) -> list[str]:
        """Returns the names of the faults, as they are counted."""
        flags = {
            "delayed": self.delay_s > 0,
            "hung": self.hangs,
            "throttled": self.throttled,
            "failed": self.fails,
            "declined": self.declined,
            "lost": self.loses_answer,
        }
        return [name for name, is_so in flags.items() if is_so]


class Dial(BaseModel):
    """The faults of one part. Rates are shares of requests, between 0 and 1."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    latency_ms: Annotated[float, Field(ge=0, le=60_000)] = 0
    """Delay before the work."""
    error_rate: Rate = 0
    """The request is refused before the work, so it certainly had no effect."""
    hang_rate: Rate = 0
    """Nothing is done, and no answer is sent."""
    throttle_rate: Rate = 0
    """Payments and carriers only. Nothing is done, and the answer is 429 with `Retry-After: retry_after_s`."""
    retry_after_s: Annotated[int, Field(ge=0, le=86_400)] = 1
    decline_rate: Rate = 0
    """Payments only. The charge is declined, and the decline is recorded under its key."""
    lost_answer_rate: Rate = 0
    """The work is done and recorded, but the connection is reset instead of an answer."""

    def draw_faults(self) -> RequestFaults:
        """Draws the faults of one request."""
        random_share = random.random  # faults need no cryptographic randomness
        return RequestFaults(
            delay_s=self.latency_ms / 1000,
            hangs=random_share() < self.hang_rate,
            throttled=random_share() < self.throttle_rate,
            fails=random_share() < self.error_rate,
            declined=random_share() < self.decline_rate,
            loses_answer=random_share() < self.lost_answer_rate,
        )


class Dials:
    """Keeps the dial of every part, and counts the faults."""

    def __init__(self) -> None:
        self._dials: dict[str, Dial] = {part: Dial() for part in get_args(Part)}
        self.fault_counts: dict[str, Counter[str]] = {part: Counter() for part in get_args(Part)}
        """By part: the number of `requests` since the start, and of those with each fault."""

    def __getitem__(self, part: str) -> Dial:
        return self._dials[part]

    def set_dial(self, part: Part, dial: Dial) -> Dial:
        """Sets the part's dial, from the next request on. Raises `Problem` if the part cannot have such a fault."""
        if dial.decline_rate and not part.startswith("payments"):
            raise Problem(422, "outside:invalid", f"{part} cannot decline; only payments-a and payments-b can.")
        if dial.throttle_rate and part == "mail":
            raise Problem(
                422, "outside:invalid", "SMTP has no 429: mail cannot be throttled, only payments and carriers."
            )
        self._dials[part] = dial
        return dial

    def draw_faults(self, part: str) -> RequestFaults:
        """Draws the faults of the next request, and counts them."""
        faults = self[part].draw_faults()
        self.fault_counts[part].update(["requests", *faults.names()])
        return faults

    async def apply_faults(self, part: str, work: Callable[[RequestFaults], Awaitable[Response]]) -> Response:
        """Draws the faults of the next request and applies them: delays or skips `work`, or withholds its answer."""
        faults = self.draw_faults(part)
        await asyncio.sleep(faults.delay_s)
        if faults.hangs:
            return NeverAnswer()
        if faults.throttled:
            busy = Problem(429, "outside:too-many-requests", "Nothing was done. Retry after the time in Retry-After.")
            return busy.response({"Retry-After": str(self[part].retry_after_s)})
        try:
            answer = await work(faults)
        except Problem as problem:
            answer = problem.response()
        return CutConnection() if faults.loses_answer else answer


def routes(dials: Dials) -> APIRouter:
    """Returns the HTTP API to read, set and reset dials, and to read the counts. Answers contain the present dial."""
    router = APIRouter(prefix="/dials/{part}")

    @router.get("")
    async def read(part: Part) -> Dial:
        return dials[part]

    @router.get("/counts")
    async def count(part: Part) -> dict[str, int]:
        return dict(dials.fault_counts[part])

    @router.put("")
    async def set_dial(part: Part, dial: Dial) -> Dial:
        return dials.set_dial(part, dial)

    @router.delete("")
    async def reset(part: Part) -> Dial:
        return dials.set_dial(part, Dial())

    return router
