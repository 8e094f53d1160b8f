"""After the traffic has ended, waits for the outcome of every order, with few requests.

Each round lists only the orders of customers who have a pending order. Journals are read once, at the end.
"""

import asyncio
import time
from collections.abc import Callable, Collection, Iterable

from infra.lab.simulator.checkouts import check_out
from infra.lab.simulator.client import Meter, run_concurrently
from infra.lab.simulator.orders import Order
from infra.lab.simulator.shop import Person, Shop

ROUND_S = 1.0
MAX_JOURNALS_S = 60.0


def unmeasured_customers(shop: Shop) -> dict[str, Person]:
    """Return the shop's customers by id, with clients whose requests are left out of the report."""
    unmeasured = Meter()
    return {each.id: Person(each.id, each.client.with_meter(unmeasured)) for each in shop.customers}


async def wait_for_orders(
    shop: Shop, people: dict[str, Person], sessions: Collection[object], progress: Callable[[str], None]
) -> None:
    """Wait until none of `sessions` is running, every checkout is answered and every accepted order has ended.

    There is no time limit: the caller must set a timeout. While sessions are running, they repeat their own unanswered
    checkouts; afterwards this function repeats them.
    """
    last_message = ""
    while sessions or shop.book.unanswered or shop.book.pending():
        began = time.monotonic()
        if not sessions:
            await _repeat_unanswered(shop, people)
        pending = shop.book.pending()
        message = f"waiting for {len(pending)} orders and {len(sessions)} shoppers"
        if message != last_message:
            progress(message)
            last_message = message
        owners = {order.customer for order in pending}
        await run_concurrently(lambda owner: _update_statuses(shop, people[owner]), sorted(owners))
        await asyncio.sleep(max(0.0, ROUND_S - (time.monotonic() - began)))


async def read_journals(shop: Shop, people: dict[str, Person], orders: Iterable[Order]) -> None:
    """Record the journals of these orders. Orders whose journal cannot be read in time keep what is known so far."""

    async def read(order: Order) -> None:
        url = f"{shop.endpoints.gateway}/orders/{order.id}/journal"
        answer = await people[order.customer].client.send("GET", url, label="journal", expected=(404,))
        if answer.ok:
            order.saw_journal(answer.body["entries"])

    try:
        async with asyncio.timeout(MAX_JOURNALS_S):
            await run_concurrently(read, orders)
    except TimeoutError:
        pass


async def _repeat_unanswered(shop: Shop, people: dict[str, Person]) -> None:
    """Repeat once, with its idempotency key, every checkout whose answer was lost."""

    async def resolve(key: str) -> None:
        person = people[shop.book.unanswered[key].customer]
        await check_out(person, shop.endpoints.gateway, shop.book, key, intended_at=time.monotonic(), timeout_s=0)

    await run_concurrently(resolve, list(shop.book.unanswered))


async def _update_statuses(shop: Shop, person: Person) -> None:
    """Read the pages of a customer's order list until all of that customer's pending orders are found."""
    pending = {order.id for order in shop.book.pending() if order.customer == person.id}
    query = {"limit": "100"}
    while pending:
        answer = await person.client.send("GET", f"{shop.endpoints.gateway}/orders", label="orders", query=query)
        if not answer.ok:
            return
        for item in answer.body.get("items", []):
            order = shop.book.orders.get(str(item["order_id"]))
            if order is not None:
                order.saw_status(str(item["status"]))
                pending.discard(order.id)
        cursor = answer.body.get("next_cursor")
        if cursor is None:
            return
        query["cursor"] = str(cursor)
