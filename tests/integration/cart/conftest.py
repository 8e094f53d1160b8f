"""Provides a real database for the cart."""

from collections.abc import AsyncIterator

import pytest

from cart.service import SERVICE
from infra.stack import DatabaseUrls, PrivatePostgres
from marketplace_runtime.database import Database
from tests.integration.catalog.web import Client, served
from tests.integration.one_service import database_of, emptied


@pytest.fixture(scope="session")
async def cart_urls(postgres: PrivatePostgres) -> DatabaseUrls:
    return await database_of(SERVICE, postgres)


@pytest.fixture
async def database(cart_urls: DatabaseUrls) -> AsyncIterator[Database]:
    async with emptied(SERVICE, cart_urls, "lines", "carts", "products", "checkouts", "addresses") as database:
        yield database


@pytest.fixture
async def anyone(database: Database) -> AsyncIterator[Client]:
    async with served(SERVICE, database) as session:
        yield Client(session)


@pytest.fixture
def ann(anyone: Client) -> Client:
    return anyone.by("ann")
