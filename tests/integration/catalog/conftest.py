"""Provides a real database for the catalog."""

from collections.abc import AsyncIterator

import pytest

from catalog.service import SERVICE
from infra.stack import DatabaseUrls, PrivatePostgres
from marketplace_runtime.database import Database
from tests.integration.catalog.web import Client, served
from tests.integration.one_service import database_of, emptied


@pytest.fixture(scope="session")
async def catalog_urls(postgres: PrivatePostgres) -> DatabaseUrls:
    return await database_of(SERVICE, postgres)


@pytest.fixture
async def database(catalog_urls: DatabaseUrls) -> AsyncIterator[Database]:
    async with emptied(SERVICE, catalog_urls, "products", "reservations") as database:
        yield database


@pytest.fixture
async def anyone(database: Database) -> AsyncIterator[Client]:
    async with served(SERVICE, database) as session:
        yield Client(session)


@pytest.fixture
def sam(anyone: Client) -> Client:
    return anyone.by("sam", "seller")
