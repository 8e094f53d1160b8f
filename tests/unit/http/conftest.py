"""Fixtures: builds an application and a client for the routes of a test."""

from collections.abc import Callable
from typing import cast

import pytest
from fastapi import FastAPI

from contracts.naming import MARKETPLACE
from marketplace_runtime.database import Database
from marketplace_runtime.http import Authenticator, Router, create_app
from marketplace_runtime.service import operator_routes
from marketplace_runtime.telemetry import configure_logging
from tests.unit.http.client import AUDIENCE, ISSUER, Client, FakeDatabase, FakeKeys


@pytest.fixture(autouse=True, scope="session")
def _logging() -> None:
    configure_logging("test", format="console", level="warning")


@pytest.fixture
def client_for() -> Callable[[Router], Client]:
    def build(routes: Router) -> Client:
        database, keys = FakeDatabase(), FakeKeys()
        client = Client(cast("FastAPI", None), database, keys)
        client.app = create_app(
            problem_type_prefix=MARKETPLACE.problem_type_prefix,
            service="test",
            version="1",
            database=cast("Database", database),
            authenticator=Authenticator(ISSUER, AUDIENCE, keys=keys),
            health=client.health,
            routes=routes,
            ops=[operator_routes.router],
        )
        return client

    return build
