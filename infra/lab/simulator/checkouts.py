"""Sends a checkout with an idempotency key, and retries it until the outcome is known or a time limit is reached."""

import asyncio
import random
import time

from infra.lab.simulator.orders import OrderBook
from infra.lab.simulator.shop import Person

BACKOFF_FROM_S, BACKOFF_TO_S = 0.2, 3.0


async def check_out(
    person: Person, gateway: str, book: OrderBook, key: str, *, intended_at: float, timeout_s: float
) -> str | None:
    """Return the order's id, or None if the checkout was refused or no answer came within `timeout_s`.

    Without an answer, the checkout stays in the book as unanswered. A checkout whose answer was lost is repeated with
    the same key, so the marketplace returns the existing order and never creates a second one.
    """
    deadline = time.monotonic() + timeout_s
    pause_s, is_retry = BACKOFF_FROM_S, False
    while True:
        answer = await person.client.send(
            "POST",
            f"{gateway}/carts/{person.id}/checkout",
            label="checkout",
            json={},
            key=key,
            expected=(409,),
            intended_at=None if is_retry else intended_at,
        )
        if answer.ok:
            order_id = str(answer.body["order_id"])
            book.note_accepted(key, order_id)
            return order_id
        in_flight = answer.status == 409 and "flight" in str(answer.body.get("type"))
        if not (answer.outcome_unknown or in_flight):
            book.note_refused(key)
            return None
        if time.monotonic() + pause_s > deadline:
            return None
        await asyncio.sleep(random.uniform(pause_s / 2, pause_s))  # noqa: S311 - jitter needs no secure randomness
        pause_s, is_retry = min(pause_s * 2, BACKOFF_TO_S), True
