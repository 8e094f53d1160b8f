"""Runs a session's script. A step that fails ends the session."""

import asyncio
import time
from collections.abc import Mapping
from uuid import uuid4

from infra.lab.simulator.checkouts import check_out
from infra.lab.simulator.client import Answer
from infra.lab.simulator.script import (
    Browse,
    Cancel,
    ChangePrice,
    CheckOut,
    Put,
    Remove,
    Replace,
    Restock,
    Script,
    Step,
    ViewCart,
    ViewOrder,
    ViewProduct,
)
from infra.lab.simulator.setup import AMPLE_UNITS, new_product
from infra.lab.simulator.shop import Person, Shop

MAX_SESSION_S = 60.0
CHECKOUT_TIMEOUT_S = 40.0
MAX_CONFIRMATION_WAIT_S = 5.0
_UNCONFIRMED = frozenset({"", "placed", "paying"})


class SessionEndedError(Exception):
    """A step failed, or the checkout was refused, so the session ends."""


class Session:
    """Runs the visit of one person."""

    def __init__(self, shop: Shop, number: int) -> None:
        self._shop = shop
        self._number = number
        self._customer: Person = shop.customers[number % len(shop.customers)]
        self._order_id: str | None = None
        self._in_checkout: dict[str, int] = {}
        """Units by product that an earlier, unconfirmed order of this customer still holds in the cart."""
        self._put_products: set[str] = set()
        """Products that were put into the cart in this visit."""

    @property
    def order_id(self) -> str | None:
        """The id of the accepted order, or None."""
        return self._order_id

    async def run(self, script: Script, arrival: float) -> None:
        """Run the script, for 60 s at most. `arrival` (`time.monotonic`) is when the person meant to arrive."""
        intended_at = arrival
        try:
            async with asyncio.timeout(MAX_SESSION_S):
                for count, step in enumerate(script.steps):
                    intended_at += step.after_s
                    await asyncio.sleep(intended_at - time.monotonic())
                    await self._run_step(step, intended_at, f"{self._shop.run_id}-{self._number}-{count}")
                    intended_at = time.monotonic()
        except (SessionEndedError, TimeoutError):
            pass

    async def _run_step(self, step: Step, intended_at: float, key: str) -> None:
        match step:
            case Browse():
                await self._browse(step, intended_at)
            case ViewProduct(place=place):
                product = self._shop.shelf[place]
                url = f"{self._shop.endpoints.gateway}/products/{product.id}"
                await self._request_as_customer("GET", url, "product", intended_at)
            case Put(place=place, quantity=quantity):
                product_id = self._shop.shelf[place].id
                self._put_products.add(product_id)
                await self._set_quantity(product_id, self._in_checkout.get(product_id, 0) + quantity, intended_at)
            case Remove(place=place):
                await self._set_quantity(self._shop.shelf[place].id, 0, intended_at)
            case ViewCart():
                await self._view_cart(intended_at)
            case CheckOut():
                await self._check_out(intended_at, key)
            case ViewOrder():
                await self._status(intended_at)
            case Cancel(once_confirmed=once_confirmed):
                await self._cancel(once_confirmed, intended_at, key)
            case ChangePrice(place=place, factor=factor):
                amount = max(round(self._shop.shelf[place].price * factor), 1)
                await self._request_as_seller(
                    place, "price", {"price": {"amount": amount, "currency": "EUR"}}, intended_at, key
                )
            case Restock(place=place, quantity=quantity):
                await self._restock(place, quantity, intended_at, key)
            case Replace(place=place):
                await self._replace(place, intended_at, key)
            case _:
                raise TypeError(f"unknown step: {step}")

    @property
    def _cart_url(self) -> str:
        return f"{self._shop.endpoints.gateway}/carts/{self._customer.id}"

    async def _set_quantity(self, product_id: str, quantity: int, intended_at: float) -> None:
        """Set the quantity of a product in the cart. 0 removes it."""
        url, key = f"{self._cart_url}/items/{product_id}", str(uuid4())
        method, body = ("PUT", {"quantity": quantity}) if quantity else ("DELETE", None)
        self._shop.book.note_quantity_change(key, self._customer.id, product_id, quantity)
        answer = await self._customer.client.send(
            method, url, label="cart item", json=body, expected=(404, 409), intended_at=intended_at
        )
        if not answer.outcome_unknown:
            lines = {line["product_id"]: line["in_checkout"] for line in answer.body.get("lines", ())}
            self._shop.book.note_quantity_changed(key, done=answer.ok, in_checkout=lines.get(product_id))
        if not answer.ok and answer.status not in (404, 409):
            raise SessionEndedError

    async def _request_as_customer(
        self,
        method: str,
        url: str,
        label: str,
        intended_at: float,
        json: Mapping[str, object] | None = None,
        *,
        query: dict[str, str] | None = None,
        key: str | None = None,
        expected: tuple[int, ...] = (),
    ) -> Answer:
        answer = await self._customer.client.send(
            method, url, label=label, json=json, query=query, key=key, expected=expected, intended_at=intended_at
        )
        if not answer.ok and answer.status not in expected:
            raise SessionEndedError
        return answer

    async def _view_cart(self, intended_at: float) -> None:
        """Accept new prices, and remove lines that are discontinued or sold out, which would block the checkout.

        A sold-out product that was put in during this visit stays: another customer may still cancel.
        """
        answer = await self._request_as_customer("GET", self._cart_url, "cart", intended_at)
        self._in_checkout = {str(line["product_id"]): int(line["in_checkout"]) for line in answer.body["lines"]}
        for line in answer.body["lines"]:
            left_over = line["status"] == "sold-out" and line["product_id"] not in self._put_products
            if line["status"] == "discontinued" or left_over:
                await self._set_quantity(line["product_id"], 0, time.monotonic())
            elif line["new_price"] is not None:
                await self._set_quantity(line["product_id"], line["quantity"], time.monotonic())

    async def _browse(self, step: Browse, intended_at: float) -> None:
        query = {"limit": "20"}
        if step.category is not None:
            query["category"] = step.category
        if step.search is not None:
            query["search"] = step.search
        url = f"{self._shop.endpoints.gateway}/products"
        for _ in range(step.pages):
            answer = await self._request_as_customer("GET", url, "products", intended_at, query=query)
            cursor = answer.body.get("next_cursor")
            if cursor is None:
                return
            query["cursor"] = str(cursor)
            intended_at = time.monotonic()

    async def _check_out(self, intended_at: float, key: str) -> None:
        wall_clock = time.time() + (intended_at - time.monotonic())
        self._shop.book.note_checkout(key, self._customer.id, wall_clock)
        self._order_id = await check_out(
            self._customer,
            self._shop.endpoints.gateway,
            self._shop.book,
            key,
            intended_at=intended_at,
            timeout_s=CHECKOUT_TIMEOUT_S,
        )
        if self._order_id is None:
            raise SessionEndedError

    async def _status(self, intended_at: float) -> str:
        """Return the order's status, or "" while checkout does not have the order yet."""
        url = f"{self._shop.endpoints.gateway}/orders/{self._order_id}"
        answer = await self._request_as_customer("GET", url, "order", intended_at, expected=(404,))
        return str(answer.body["status"]) if answer.ok else ""

    async def _cancel(self, once_confirmed: bool, intended_at: float, key: str) -> None:
        not_yet = _UNCONFIRMED if once_confirmed else frozenset({""})
        deadline = time.monotonic() + MAX_CONFIRMATION_WAIT_S
        while await self._status(intended_at) in not_yet:
            if time.monotonic() > deadline:
                raise SessionEndedError
            intended_at = time.monotonic() + 0.2
            await asyncio.sleep(0.2)
        url = f"{self._shop.endpoints.gateway}/orders/{self._order_id}/cancel"
        now = time.monotonic()
        await self._request_as_customer("POST", url, "cancel", now, {}, key=key, expected=(404, 409))

    async def _request_as_seller(
        self, place: int, action: str, json: Mapping[str, object], intended_at: float, key: str
    ) -> Answer:
        product = self._shop.shelf[place]
        return await self._shop.seller.client.send(
            "POST",
            f"{self._shop.endpoints.gateway}/products/{product.id}/{action}",
            label=action,
            json=json,
            key=key,
            expected=(409,),
            intended_at=intended_at,
        )

    async def _restock(self, place: int, quantity: int, intended_at: float, key: str) -> None:
        self._shop.book.note_restock(key, self._shop.shelf[place].id, quantity)
        answer = await self._request_as_seller(place, "restock", {"quantity": quantity}, intended_at, key)
        if not answer.outcome_unknown:
            self._shop.book.note_restocked(key, done=answer.ok)

    async def _replace(self, place: int, intended_at: float, key: str) -> None:
        if not (await self._request_as_seller(place, "discontinue", {}, intended_at, key)).ok:
            return
        product = self._shop.shelf[place]
        key = f"{key}-new"
        self._shop.book.note_listing(key, AMPLE_UNITS)
        answer = await self._shop.seller.client.send(
            "POST",
            f"{self._shop.endpoints.gateway}/products",
            label="products",
            json=new_product(product.name, product.category, product.price),
            key=key,
        )
        if answer.ok:
            product.id = str(answer.body["product_id"])
            self._shop.book.note_listed(key, product.id)
