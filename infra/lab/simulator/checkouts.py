"""Checking out with an idempotency key, until the answer is known or patience ends."""

import asyncio
import random
import time

from infra.lab.simulator.orders import OrderBook
from infra.lab.simulator.shop import Person

BACKOFF_FROM_S, BACKOFF_TO_S = 0.2, 3.0


async def check_out(
    person: Person, cart: str, book: OrderBook, key: str, *, intended: float, patience_s: float
) -> str | None:
    """The order's id, or None if it was refused, or if no answer came in time (then it stays unanswered).

    Asked again under the same key, a checkout whose answer was lost is found, never done twice.
    """
    deadline = time.monotonic() + patience_s
    pause_s, again = BACKOFF_FROM_S, False
    while True:
        answer = await person.client.ask(
            "POST",
            f"{cart}/carts/{person.id}/checkout",
            what="checkout",
            json={},
            key=key,
            expected=(409,),
            intended=None if again else intended,
        )
        if answer.ok:
            order_id = str(answer.body["order_id"])
            book.accept(key, order_id)
            return order_id
        in_flight = answer.status == 409 and "flight" in str(answer.body.get("type"))
        if not (answer.lost or in_flight):
            book.refuse(key)
            return None
        if time.monotonic() + pause_s > deadline:
            return None
        await asyncio.sleep(random.uniform(pause_s / 2, pause_s))  # noqa: S311 - jitter is no secret
        pause_s, again = min(pause_s * 2, BACKOFF_TO_S), True
