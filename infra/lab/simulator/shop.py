"""Defines the people and products that all sessions of a run share."""

from dataclasses import dataclass

from infra.lab.simulator.client import Client
from infra.lab.simulator.orders import OrderBook
from infra.lab.simulator.popularity import Popularity
from infra.lab.simulator.traffic import Endpoints


@dataclass(frozen=True)
class Person:
    """A person with an account, and their HTTP client."""

    id: str
    client: Client


@dataclass
class Product:
    """The product at one place of the shelf."""

    id: str
    price: int
    """Price when first listed, in minor units."""
    category: str
    name: str


@dataclass(frozen=True)
class Shop:
    """Everything that the sessions of a run share."""

    run_id: str
    """Random id that is part of every name in this run, so that the names of two runs never collide."""
    endpoints: Endpoints
    seller: Person
    operator: Person
    customers: list[Person]
    shelf: list[Product]
    popularity: Popularity
    book: OrderBook
