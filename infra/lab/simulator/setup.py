"""Sets up the shop: lists products, registers customers, and waits until the cart has copies of the products."""

import asyncio
import random
import time
import uuid
from collections.abc import Callable
from typing import Any

import aiohttp

from infra.lab.simulator.client import Answer, Client, Issuer, Meter, run_concurrently
from infra.lab.simulator.orders import OrderBook
from infra.lab.simulator.popularity import Popularity
from infra.lab.simulator.script import CATEGORIES
from infra.lab.simulator.shop import Person, Product, Shop
from infra.lab.simulator.traffic import Endpoints, Traffic

PRODUCT_COUNT = 40
AMPLE_UNITS, SCARCE_UNITS = 100_000, 12
SCARCE_PLACES = frozenset({7, 15, 23, 31})
"""Places on the shelf with little stock. They are in the middle of the popularity ranking, so they sell out within a
short run, but not at once."""
SETUP_TIMEOUT_S = 30.0
_NOUNS = ("lamp", "chair", "kettle", "rucksack", "trowel", "notebook", "blanket", "clock")
_WOODS = ("oak", "ash", "birch", "walnut", "elm")


class SetUpFailed(Exception):
    """The shop could not be set up. The message contains the failed request and the last answer."""


def new_product(name: str, category: str, price: int, on_hand: int = AMPLE_UNITS) -> dict[str, Any]:
    """Return the request body that lists a product."""
    return {
        "name": name,
        "category": category,
        "price": {"amount": price, "currency": "EUR"},
        "on_hand": on_hand,
        "low_stock_threshold": 5,
    }


async def open_shop(
    http: aiohttp.ClientSession,
    endpoints: Endpoints,
    traffic: Traffic,
    *,
    meter: Meter,
    book: OrderBook,
    progress: Callable[[str], None],
) -> Shop:
    """List products, register customers, and wait until the cart has a copy of every product.

    Raises `SetUpFailed` if the issuer gives no token, or if a request does not succeed within 30 s.
    """
    run_id = uuid.uuid4().hex[:8]
    ttl_s = min(86_400, 3600 + round(traffic.duration_s + traffic.drain_s))

    unmeasured = Meter()
    issuer = Issuer(http, endpoints.issuer)

    async def person(name: str, *roles: str) -> Person:
        subject = f"sim-{run_id}-{name}"
        try:
            granted = await issuer.token(subject, *roles, ttl_s=ttl_s)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise SetUpFailed(f"no token from {endpoints.issuer}: {error!r}; is the issuer up?") from error
        return Person(subject, Client(http, granted, unmeasured))

    progress(f"listing {PRODUCT_COUNT} products")
    shelf = _shelf(traffic.seed)
    seller = await person("seller", "seller")

    async def list_product(place: int) -> None:
        product = shelf[place]
        stock = SCARCE_UNITS if place in SCARCE_PLACES else AMPLE_UNITS
        body = new_product(product.name, product.category, product.price, stock)
        key = f"{run_id}-{traffic.seed}-{place}"
        book.note_listing(key, stock)
        answer = await _retry_until_ok(seller.client, "POST", f"{endpoints.gateway}/products", body, key)
        product.id = str(answer.body["product_id"])
        book.note_listed(key, product.id)

    await run_concurrently(list_product, range(PRODUCT_COUNT))
    await _register(seller, endpoints)

    progress(f"registering {traffic.customers} customers")
    customers: list[Person] = []

    async def register_customer(number: int) -> None:
        customer = await person(f"c{number:04d}")
        await _register(customer, endpoints)
        customers.append(Person(customer.id, customer.client.with_meter(meter)))

    await run_concurrently(register_customer, range(traffic.customers), max_concurrent=16)
    customers.sort(key=lambda customer: customer.id)

    progress("waiting until the cart has copies of the products")
    prober = await person("prober")

    async def probe(product: Product) -> None:
        item = f"{endpoints.gateway}/carts/{prober.id}/items/{product.id}"
        await _retry_until_ok(prober.client, "PUT", item, {"quantity": 1})
        await _retry_until_ok(prober.client, "DELETE", item)

    await run_concurrently(probe, shelf)
    return Shop(
        run_id=run_id,
        endpoints=endpoints,
        seller=Person(seller.id, seller.client.with_meter(meter)),
        operator=await person("operator", "operator"),
        customers=customers,
        shelf=shelf,
        popularity=Popularity(PRODUCT_COUNT),
        book=book,
    )


def _shelf(seed: int) -> list[Product]:
    rng = random.Random(f"{seed}:shelf")  # noqa: S311 - repeatable on purpose
    return [
        Product(
            id="",
            price=rng.randint(300, 20_000),
            category=CATEGORIES[place % len(CATEGORIES)],
            name=f"{_WOODS[place % len(_WOODS)]} {_NOUNS[place % len(_NOUNS)]}".capitalize(),
        )
        for place in range(PRODUCT_COUNT)
    ]


async def _register(person: Person, endpoints: Endpoints) -> None:
    """Set the person's mail address at notifications and their postal address at delivery."""
    contact = {"email": f"{person.id}@example.com"}
    address = {
        "name": f"Shopper {person.id}",
        "street": "Market Street 1",
        "city": "Kassel",
        "postal_code": "34117",
        "country": "DE",
    }
    await _retry_until_ok(person.client, "PUT", f"{endpoints.gateway}/contacts/{person.id}", contact)
    await _retry_until_ok(person.client, "PUT", f"{endpoints.gateway}/addresses/{person.id}", address)


async def _retry_until_ok(
    client: Client, method: str, url: str, json: dict[str, Any] | None = None, key: str | None = None
) -> Answer:
    """Repeat the request until it succeeds, for 30 s at most. Raises `SetUpFailed` after that."""
    deadline = time.monotonic() + SETUP_TIMEOUT_S
    while True:
        answer = await client.send(method, url, label="set-up", json=json, key=key)
        if answer.ok:
            return answer
        if time.monotonic() > deadline:
            how = f"{answer.status} {answer.body.get('detail', '')}" if answer.status else "no answer"
            raise SetUpFailed(f"{method} {url} did not succeed within {SETUP_TIMEOUT_S:.0f} s; last answer: {how}")
        await asyncio.sleep(0.1)
