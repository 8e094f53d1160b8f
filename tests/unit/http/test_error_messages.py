"""Refused values are explained in plain sentences, without regular expressions and without pydantic's messages."""

from collections.abc import Callable
from typing import Annotated, Any
from uuid import UUID

import pytest
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from contracts import PersonId
from marketplace_runtime.dead_letters.models import Fingerprint
from marketplace_runtime.http import Matching, Router
from tests.unit.http.client import Client, bearer
from tests.unit.http.example_routes import routes

SIGN = r"^[a-z]{2}$"
GOOD: dict[str, Any] = {"id": str(UUID(int=1)), "signs": ["ab"], "size": {"height": 1}}


class Size(BaseModel):
    height: int


class Sized(BaseModel):
    model_config = ConfigDict(extra="forbid")

    id: UUID
    signs: Annotated[list[Annotated[str, Matching(SIGN, "Two small letters.")]], Field(min_length=1, max_length=2)]
    size: Size
    bare: Annotated[str, Field(pattern=SIGN)] = "ab"
    sizes: dict[str, int] = {}


@pytest.fixture
def client(client_for: Callable[[Router], Client]) -> Client:
    router = routes()

    @router.put("/sized")
    async def sized(body: Sized) -> None: ...

    return client_for(router)


@pytest.mark.parametrize(
    ("changed", "pointer", "detail"),
    [
        ({"id": "x"}, "/body/id", "This is no UUID."),
        ({"id": 7}, "/body/id", "This is no UUID."),
        ({"signs": []}, "/body/signs", "The list's length must be at least 1."),
        ({"signs": ["ab"] * 3}, "/body/signs", "The list's length must be at most 2."),
        ({"signs": ["AB"]}, "/body/signs/0", "Two small letters."),
        ({"signs": ["ab\n"]}, "/body/signs/0", "Two small letters."),
        ({"size": 1}, "/body/size", "Write a JSON object."),
        ({"sizes": []}, "/body/sizes", "Write a JSON object."),
        ({"size": {}}, "/body/size/height", "This is needed."),
        ({"more": 1}, "/body/more", "There is no such field."),
        ({"bare": "AB"}, "/body/bare", "This does not match its pattern, which is in /openapi.json."),
    ],
)
async def test_an_invalid_field_is_explained_in_a_sentence(
    client: Client, changed: dict[str, Any], pointer: str, detail: str
) -> None:
    answer = await client.request("PUT", "/sized", GOOD | changed)
    assert answer.json["errors"] == [{"pointer": pointer, "detail": detail}]


@pytest.mark.parametrize(
    ("body", "detail"), [(None, "A body is needed."), ([], "Write a JSON object."), (7, "Write a JSON object.")]
)
async def test_a_body_that_is_not_an_object_is_explained(client: Client, body: object, detail: str) -> None:
    answer = await client.request("PUT", "/sized", body)
    assert answer.json["errors"] == [{"pointer": "/body", "detail": detail}]


async def test_a_valid_body_is_accepted(client: Client) -> None:
    assert (await client.request("PUT", "/sized", GOOD)).status == 200


async def test_an_invalid_person_id_is_explained(client: Client) -> None:
    answer = await client.request("GET", "/mine/a%20b", headers=bearer())
    detail = "1 to 64 letters, digits, dots, hyphens and underscores."
    assert answer.json["errors"] == [{"pointer": "/path/person", "detail": detail}]


def test_the_error_for_an_invalid_group_names_the_list_of_groups() -> None:
    groups = TypeAdapter[str](Fingerprint)
    assert groups.validate_python("g0123456789a") == "g0123456789a"
    with pytest.raises(ValidationError, match="take one from GET /ops/dead-letter-groups"):
        groups.validate_python("0123456789a")


async def test_the_openapi_document_has_the_patterns(client: Client) -> None:
    document = (await client.request("GET", "/openapi.json")).json
    assert document["components"]["schemas"]["Sized"]["properties"]["signs"]["items"]["pattern"] == SIGN
    [person] = [each for each in document["paths"]["/mine/{person}"]["get"]["parameters"] if each["in"] == "path"]
    described = {"schema": person["schema"]["pattern"], "description": person["description"]}
    contract = TypeAdapter[str](PersonId).json_schema()
    assert described == {"schema": contract["pattern"], "description": contract["description"]}


async def test_the_error_for_an_unknown_path_names_the_openapi_document(client: Client) -> None:
    answer = await client.request("GET", "/no-such")
    assert answer.json["detail"] == "There is no such path; see /openapi.json."


async def test_the_error_for_another_person_s_resource_does_not_reveal_whether_it_exists(client: Client) -> None:
    answer = await client.request("GET", "/mine/bob", headers=bearer("alice"))
    assert answer.json["detail"] == "There is no such thing here, or it is not yours."


@pytest.mark.parametrize(("path", "methods"), [("/mine/alice", "GET, PUT"), ("/openapi.json", "GET, HEAD")])
async def test_the_error_for_an_unsupported_method_names_the_supported_ones(
    client: Client, path: str, methods: str
) -> None:
    answer = await client.request("PATCH", path)
    assert (answer.slug, answer.headers["allow"]) == ("method-not-allowed", methods)
    assert answer.json["detail"] == f"This path supports {methods}."
