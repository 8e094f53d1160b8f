"""The OpenAPI document describes every answer that a client can get."""

from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from marketplace_runtime.http import CachePolicy, Deprecation, Router, cached, deprecated
from tests.unit.http.client import Client
from tests.unit.http.example_routes import routes


@pytest.fixture
async def document(client_for: Callable[[Router], Client]) -> dict[str, Any]:
    read: dict[str, Any] = (await client_for(routes()).request("GET", "/openapi.json")).json
    return read


def statuses(operation: dict[str, Any]) -> set[str]:
    return set(operation["responses"])


def headers(operation: dict[str, Any]) -> dict[str, bool]:
    """Return the names of the headers, and whether each is required."""
    return {each["name"]: each["required"] for each in operation["parameters"] if each["in"] == "header"}


async def test_every_operation_documents_its_problems(document: dict[str, Any]) -> None:
    paths = document["paths"]
    always = {"400", "404", "405", "422", "503", "504"}
    assert statuses(paths["/public"]["get"]) == always | {"200"}
    assert statuses(paths["/mine/{person}"]["get"]) == always | {"200", "401", "403"}
    assert statuses(paths["/things"]["post"]) == always | {"201", "401", "403", "408", "409", "413", "415"}


async def test_problems_are_problem_documents(document: dict[str, Any]) -> None:
    for operation in (each for path in document["paths"].values() for each in path.values()):
        for status, response in operation["responses"].items():
            if int(status) >= 400:
                name = response["$ref"].removeprefix("#/components/responses/")
                assert list(document["components"]["responses"][name]["content"]) == ["application/problem+json"]
    assert "HTTPValidationError" not in str(document)


async def test_routes_that_need_a_token_declare_it(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    assert document["paths"]["/things"]["post"]["security"] == [{"bearer": []}]
    assert "security" not in document["paths"]["/public"]["get"]
    assert all("security" in each for each in document["paths"]["/ops/counts"].values())


async def test_every_operation_takes_a_timeout_and_every_post_an_idempotency_key(document: dict[str, Any]) -> None:
    assert headers(document["paths"]["/things"]["post"]) == {"Idempotency-Key": False, "Request-Timeout": False}
    assert headers(document["paths"]["/public"]["get"]) == {"Request-Timeout": False}


async def test_a_cursor_is_an_opaque_string(document: dict[str, Any]) -> None:
    parameters = {each["name"]: each for each in document["paths"]["/list"]["get"]["parameters"]}
    assert parameters["cursor"]["schema"]["type"] == "string"
    assert not parameters["cursor"]["required"]
    assert parameters["limit"]["schema"] | {"default": 2} == parameters["limit"]["schema"]


async def test_a_route_can_declare_additional_answers(client_for: Callable[[Router], Client]) -> None:
    router = Router()

    @router.post("/webhook", responses={401: {}})
    async def webhook() -> None: ...

    document = (await client_for(router).request("GET", "/openapi.json")).json
    unauthorized = document["paths"]["/webhook"]["post"]["responses"]["401"]
    assert unauthorized == {"$ref": "#/components/responses/UnauthorizedProblem"}


async def test_cached_and_deprecated_routes_are_described(client_for: Callable[[Router], Client]) -> None:
    router = Router()

    @router.get("/new")
    @cached(CachePolicy(fresh_s=1, stale_while_revalidate_s=1, stale_if_error_s=1))
    async def new() -> None:
        """Do it."""

    @router.get("/old")
    @cached(CachePolicy(fresh_s=1, stale_while_revalidate_s=1, stale_if_error_s=1))
    @deprecated(Deprecation(date(2026, 12, 1), date(2027, 7, 1), successor="/new"))
    async def old() -> None:
        """Do it."""

    paths = (await client_for(router).request("GET", "/openapi.json")).json["paths"]
    new_one, old_one = paths["/new"]["get"], paths["/old"]["get"]
    assert headers(new_one) == headers(old_one) == {"Request-Timeout": False, "If-None-Match": False}
    assert "deprecated" not in new_one
    assert new_one["responses"]["304"]["headers"].keys() == {"ETag", "Cache-Control"}
    assert "content" not in new_one["responses"]["304"]
    assert old_one["deprecated"] is True
    assert old_one["description"].startswith("Do it.\n\nDeprecated since 2026-12-01. Use `/new`: from 2027-07-01 on,")
    for status in ("200", "304"):
        announced = old_one["responses"][status]["headers"].keys()
        assert announced == {"ETag", "Cache-Control", "Deprecation", "Sunset", "Link"}


async def test_a_deprecated_write_is_described(client_for: Callable[[Router], Client]) -> None:
    router = Router()

    @router.post("/old", status_code=202)
    @deprecated(Deprecation(date(2026, 12, 1), date(2027, 7, 1), successor="/new"))
    async def old() -> None: ...

    operation = (await client_for(router).request("GET", "/openapi.json")).json["paths"]["/old"]["post"]
    assert operation["deprecated"] is True
    assert operation["responses"]["202"]["headers"].keys() == {"Deprecation", "Sunset", "Link"}
