"""The marketplace as the simulator's people know it."""

from dataclasses import dataclass

from infra.lab.simulator.client import Client
from infra.lab.simulator.orders import OrderBook
from infra.lab.simulator.popularity import Popularity
from infra.lab.simulator.traffic import Endpoints


@dataclass(frozen=True)
class Person:
    """Somebody with an account."""

    id: str
    client: Client


@dataclass
class Product:
    """What stands at one place of the shelf."""

    id: str
    price: int
    """As first listed, in minor units."""
    category: str
    name: str


@dataclass(frozen=True)
class Shop:
    """All that sessions share."""

    run: str
    """Part of every name of this run, so that two runs never meet."""
    at: Endpoints
    seller: Person
    operator: Person
    customers: list[Person]
    shelf: list[Product]
    popularity: Popularity
    book: OrderBook
