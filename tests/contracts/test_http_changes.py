"""The gate for HTTP APIs judges every kind of change as the table in `contracts/http/compatibility.py` says."""

import copy
from collections.abc import Callable
from typing import Any

import pytest

from contracts.findings import Finding
from contracts.http.compatibility import find_breaking_changes

Document = dict[str, Any]
Change = Callable[[Document], object]
PROBLEM = {"application/problem+json": {"schema": {"type": "object"}}}


def an_api() -> Document:
    """Return a small API in which a client creates and reads things."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "things", "version": "1"},
        "paths": {
            "/things": {
                "get": {
                    "parameters": [
                        {"name": "limit", "in": "query", "schema": {"type": "integer", "maximum": 100, "default": 20}},
                        {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
                    ],
                    "responses": {
                        "200": {
                            "headers": {"ETag": {"required": True, "schema": {"type": "string"}}},
                            "content": {"application/json": {"schema": {"items": {"$ref": ref("Thing")}}}},
                        },
                        "404": {"content": copy.deepcopy(PROBLEM)},
                    },
                },
                "post": {
                    "security": [{"bearer": ["write"]}],
                    "requestBody": {
                        "required": True,
                        "content": {"application/json": {"schema": {"$ref": ref("NewThing")}}},
                    },
                    "responses": {
                        "201": {"content": {"application/json": {"schema": {"$ref": ref("Thing")}}}},
                        "401": {"content": copy.deepcopy(PROBLEM)},
                    },
                },
            },
            "/things/{id}": {
                "delete": {
                    "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                    "responses": {"204": {"description": "done"}},
                }
            },
        },
        "components": {
            "schemas": {"Thing": a_thing("out"), "NewThing": a_thing("in"), "Unused": {"type": "string"}},
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "key": {"type": "apiKey", "in": "header", "name": "Key"},
            },
        },
    }


def a_thing(use: str) -> Document:
    """Return a schema with a field of every kind, which refers to itself."""
    itself = ref("Thing" if use == "out" else "NewThing")
    return {
        "type": "object",
        "required": ["n", "colour"],
        "properties": {
            "n": {"type": "integer", "minimum": 1, "maximum": 9},
            "colour": {"enum": ["red", "blue"]},
            "name": {"type": "string", "pattern": "^a", "default": "a"},
            "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
            "size": {"anyOf": [{"type": "integer"}, {"type": "string", "maxLength": 3}]},
            "parts": {"type": "array", "items": {"$ref": itself}},
        },
    }


def ref(schema: str) -> str:
    return f"#/components/schemas/{schema}"


def get(api: Document) -> Document:
    return api["paths"]["/things"]["get"]


def post(api: Document) -> Document:
    return api["paths"]["/things"]["post"]


def limit(api: Document) -> Document:
    return get(api)["parameters"][0]


def thing(api: Document, use: str) -> Document:
    return api["components"]["schemas"]["Thing" if use == "out" else "NewThing"]


def field(name: str, **changes: Any) -> Change:
    """Change keywords of a field in both schemas, or remove those with the value None."""

    def apply(api: Document) -> None:
        for use in ("in", "out"):
            schema = thing(api, use)["properties"].setdefault(name, {})
            schema.update(changes)
            for keyword in [each for each, value in changes.items() if value is None]:
                schema.pop(keyword)

    return apply


def replaced(name: str, schema: Document) -> Change:
    return lambda api: [thing(api, use)["properties"].update({name: schema}) for use in ("in", "out")]


def required(*names: str) -> Change:
    return lambda api: [thing(api, use).update(required=list(names)) for use in ("in", "out")]


def whole(**changes: Any) -> Change:
    return lambda api: [thing(api, use).update(changes) for use in ("in", "out")]


def without(name: str) -> Change:
    return lambda api: [thing(api, use)["properties"].pop(name) for use in ("in", "out")]


def judge(change: Change, before: Change = lambda _: None) -> list[Finding]:
    old = an_api()
    before(old)
    new = copy.deepcopy(old)
    change(new)
    return find_breaking_changes(old, new)


RED, BOTH, MORE = ["red"], ["red", "blue"], ["red", "blue", "green"]
STRING, INTEGER, NUMBER = {"type": "string"}, {"type": "integer"}, {"type": "number"}
NULL = {"type": "null"}
SCHEMA_CHANGES: list[tuple[str, Change, str, str]] = [
    # what, change, where the request refuses it ("" if it does not), where the response does
    ("optional field added", replaced("new", STRING), "", ""),
    (
        "required field added",
        lambda api: [replaced("new", STRING)(api), required("n", "colour", "new")(api)],
        "new: required field added",
        "",
    ),
    ("field removed", without("name"), "name: field removed", "name: field removed"),
    ("optional made required", required("n", "colour", "note"), "note: optional field made required", ""),
    ("required made optional", required("colour"), "", "n: required field made optional"),
    ("enum value added", field("colour", enum=MORE), "", 'colour: allowed values: added "green"'),
    ("enum value removed", field("colour", enum=RED), 'colour: allowed values: removed "blue"', ""),
    ("enum to one constant", replaced("colour", {"const": "red"}), 'colour: allowed values: removed "blue"', ""),
    ("enum freed", field("colour", enum=None, type="string"), "", "colour: `enum` removed"),
    ("maximum up", field("n", maximum=10), "", "n: `maximum` changed from 9 to 10"),
    ("maximum down", field("n", maximum=8), "n: `maximum` changed from 9 to 8", ""),
    ("minimum gone", field("n", minimum=None), "", "n: `minimum` removed: 1"),
    ("minimum up", field("n", minimum=2), "n: `minimum` changed from 1 to 2", ""),
    ("pattern gone", field("name", pattern=None), "", "name: `pattern` removed"),
    ("pattern changed", field("name", pattern="^b"), "name: `pattern` changed", "name: `pattern` changed"),
    ("format added", field("name", format="uuid"), "name: `format` added", ""),
    ("integer to number", field("n", type="number"), "", "n: type changed from integer to number"),
    (
        "integer to string",
        replaced("n", STRING),
        "n: type changed from integer to string",
        "n: type changed from integer to string",
    ),
    ("null no longer allowed", replaced("note", STRING), "note: null is no longer allowed", ""),
    ("null allowed", replaced("n", {"anyOf": [field_n := {"type": "integer", "minimum": 1, "maximum": 9}, NULL]}), "",
     "n: null is now allowed"),
    ("null in a list of types", replaced("n", {**field_n, "type": ["integer", "null"]}), "", "n: null is now allowed"),
    ("any value", replaced("n", {}), "", "n: type changed from integer to anything"),
    ("union gains", replaced("size", {"anyOf": [INTEGER, STRING, {"type": "boolean"}]}), "",
     "size: an alternative was added to the union, or changed: boolean"),
    ("union loses", replaced("size", INTEGER), "size: an alternative was removed from the union, or changed: string",
     ""),
    ("default changed", field("name", default="b"), "name: `default` changed", "name: `default` changed"),
    ("default removed", field("name", default=None), "name: `default` removed", "name: `default` removed"),
    ("unknown fields refused", whole(additionalProperties=False), "`additionalProperties` added: false", ""),
    ("values of a map", whole(additionalProperties=INTEGER), "type changed from anything to integer", ""),
    ("longer lists", field("parts", maxItems=5), "parts: `maxItems` added: 5", ""),
    ("another item", field("parts", items=NUMBER), "parts[]: type changed from object to number",
     "parts[]: type changed from object to number"),
    ("allOf", whole(allOf=[{"minProperties": 2}]), "`allOf` added", "`allOf` added"),
    ("if", whole(**{"if": {"required": ["note"]}}), "`if` added", "`if` added"),
    ("read only", field("name", readOnly=True), "name: `readOnly` added", "name: `readOnly` added"),
    ("no effect", field("name", minLength=0), "", ""),
    ("texts", whole(title="A", description="B", deprecated=True, examples=[1], **{"x-note": 1}), "", ""),
    ("order", lambda api: [required("colour", "n")(api), field("colour", enum=["blue", "red"])(api)], "", ""),
]  # one case on each line where possible  # fmt: skip


@pytest.mark.parametrize(("change", "request_", "response"), [c[1:] for c in SCHEMA_CHANGES],
                         ids=[c[0] for c in SCHEMA_CHANGES])  # fmt: skip
def test_a_schema_is_judged_by_the_direction_of_its_values(change: Change, request_: str, response: str) -> None:
    found = judge(change)
    for place, expected in (("POST /things body", request_), ("POST /things 201", response)):
        here = [each for each in found if each.path.startswith(place)]
        if expected:
            assert any(expected in f"{each.path}: {each.change}" and each.why for each in here), found
        else:
            assert here == []


def a_field(api: Document) -> None:
    replaced("new", STRING)(api)


@pytest.mark.parametrize(
    ("before", "request_is_refused", "response_is_refused"),
    [
        (whole(additionalProperties=False), False, True),
        (whole(additionalProperties=INTEGER), True, True),
        (whole(patternProperties={"^n": INTEGER}), True, True),
    ],
)
def test_a_field_may_be_added_only_where_unknown_fields_mean_nothing(
    before: Change, request_is_refused: bool, response_is_refused: bool
) -> None:
    places = {each.path.partition(".")[0] for each in judge(a_field, before)}
    assert ("POST /things body" in places) is request_is_refused
    assert ("POST /things 201" in places) is response_is_refused


REFUSED: list[tuple[str, Change, str]] = [
    ("path removed", lambda api: api["paths"].pop("/things/{id}"), "DELETE /things/{id}: path removed"),
    ("method removed", lambda api: api["paths"]["/things"].pop("get"), "GET /things: operation removed"),
    ("required parameter added", lambda api: get(api)["parameters"].append(
        {"name": "q", "in": "query", "required": True, "schema": {}}), "GET /things query q: required parameter added"),
    ("parameter removed", lambda api: get(api)["parameters"].pop(0), "GET /things query limit: parameter removed"),
    ("parameter made required", lambda api: limit(api).update(required=True), "query limit: optional parameter made"),
    ("parameter narrower", lambda api: limit(api)["schema"].update(maximum=50), "query limit: `maximum` changed"),
    ("parameter default", lambda api: limit(api)["schema"].update(default=10), "limit: `default` changed from 20 to"),
    ("parameter style", lambda api: limit(api).update(explode=False), "query limit: `explode` added"),
    ("parameter of the path", lambda api: api["paths"]["/things"].update(
        parameters=[{"name": "shop", "in": "query", "required": True}]), "query shop: required parameter added"),
    ("body required", lambda api: get(api).update(requestBody={"required": True}), "GET /things body: required body"),
    ("body removed", lambda api: post(api).pop("requestBody"), "POST /things body: body removed"),
    ("media type of the request removed", lambda api: post(api)["requestBody"].update(content={"text/csv": {}}),
     "POST /things body: media type application/json removed"),
    ("success status changed", lambda api: post(api)["responses"].update(
        {"200": post(api)["responses"].pop("201")}), "POST /things 201: response removed"),
    ("success status added", lambda api: post(api)["responses"].update({"202": {}}), "POST /things 202: response add"),
    ("redirect added", lambda api: get(api)["responses"].update({"302": {}}), "GET /things 302: response added"),
    ("304 added to POST", lambda api: post(api)["responses"].update({"304": {}}), "POST /things 304: response added"),
    ("error status removed", lambda api: get(api)["responses"].pop("404"), "GET /things 404: response removed"),
    ("401 removed", lambda api: post(api)["responses"].pop("401"), "POST /things 401: response removed"),
    ("error of another media type", lambda api: get(api)["responses"].update({"409": {"content": {"text/html": {}}}}),
     "GET /things 409: error response added that is no problem"),
    ("problem narrower", lambda api: get(api)["responses"]["404"]["content"]["application/problem+json"].update(
        schema={"type": "string"}), "GET /things 404: type changed from object to string"),
    ("media type of a response added", lambda api: get(api)["responses"]["200"]["content"].update({"text/csv": {}}),
     "GET /things 200 (text/csv): media type text/csv added"),
    ("response header removed", lambda api: get(api)["responses"]["200"].pop("headers"),
     "GET /things 200 header ETag: response header removed"),
    ("response header optional", lambda api: get(api)["responses"]["200"]["headers"]["ETag"].pop("required"),
     "GET /things 200 header ETag: required header made optional"),
    ("token needed", lambda api: get(api).update(security=[{"bearer": []}]), "GET /things: a token is needed now"),
    ("token needed by default", lambda api: api.update(security=[{"key": []}]), "GET /things: a token is needed now"),
    ("another scheme", lambda api: post(api).update(security=[{"key": []}]), "POST /things: another token"),
    ("two tokens", lambda api: post(api)["security"][0].update(key=[]), "POST /things: another token"),
    ("more scopes", lambda api: post(api)["security"][0]["bearer"].append("admin"), "POST /things: another token"),
    ("the same name for another scheme", lambda api: api["components"]["securitySchemes"].update(
        bearer={"type": "http", "scheme": "basic"}), "POST /things: another token"),
    ("callbacks", lambda api: post(api).update(callbacks={"done": {}}), "POST /things: `callbacks` added"),
    ("servers", lambda api: api.update(servers=[{"url": "/v2"}]), "the document: `servers` added"),
    ("another version of OpenAPI", lambda api: api.update(openapi="4.0.0"), "the new one is OpenAPI 4.0.0"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "expected"), [case[1:] for case in REFUSED], ids=[case[0] for case in REFUSED])
def test_a_breaking_change_is_refused_with_its_place_and_reason(change: Change, expected: str) -> None:
    found = judge(change)
    assert any(expected in f"{each.path}: {each.change}" for each in found), found
    assert all(each.why for each in found)


def renamed_path_parameter(api: Document) -> None:
    item = api["paths"].pop("/things/{id}")
    item["delete"]["parameters"][0]["name"] = "thing"
    api["paths"]["/things/{thing}"] = item


def renamed_schema(api: Document) -> None:
    schemas = api["components"]["schemas"]
    schemas["Object"] = schemas.pop("Thing")
    schemas["Object"]["properties"]["parts"]["items"] = {"$ref": ref("Object")}
    get(api)["responses"]["200"]["content"]["application/json"]["schema"]["items"] = {"$ref": ref("Object")}
    post(api)["responses"]["201"]["content"]["application/json"]["schema"] = {"$ref": ref("Object")}


def open_to_all(api: Document) -> None:
    post(api).pop("security")
    post(api)["responses"].pop("401")


def shared_response(api: Document) -> None:
    api["components"]["responses"] = {"NotFound": get(api)["responses"]["404"]}
    get(api)["responses"]["404"] = {"$ref": "#/components/responses/NotFound"}


ACCEPTED: list[tuple[str, Change]] = [
    ("nothing", lambda _: None),
    ("path added", lambda api: api["paths"].update({"/v2/things": copy.deepcopy(api["paths"]["/things"])})),
    ("method added", lambda api: api["paths"]["/things"].update(put={"responses": {"200": {}}})),
    ("optional parameter added", lambda api: get(api)["parameters"].append({"name": "q", "in": "query"})),
    ("optional body added", lambda api: get(api).update(requestBody={"content": {"application/json": {}}})),
    ("parameter wider", lambda api: limit(api)["schema"].update(maximum=200)),
    ("header in another case", lambda api: get(api)["parameters"][1].update(name="x-trace")),
    ("path parameter renamed", renamed_path_parameter),
    ("body made optional", lambda api: post(api)["requestBody"].pop("required")),
    ("media type of the request added", lambda api: post(api)["requestBody"]["content"].update({"text/csv": {}})),
    ("problem added", lambda api: get(api)["responses"].update({"409": {"content": PROBLEM}})),
    ("304 added to GET", lambda api: get(api)["responses"].update({"304": {"description": "not modified"}})),
    ("response header added", lambda api: get(api)["responses"]["200"]["headers"].update({"Age": {"schema": INTEGER}})),
    ("response given a schema", lambda api: get(api)["responses"]["404"].update(
        content={"application/problem+json": {"schema": {"type": "object", "required": ["title"], "properties": {
            "title": STRING}}}})),
    ("no token needed", lambda api: post(api).pop("security")),
    ("no token needed, and no 401", open_to_all),
    ("fewer scopes", lambda api: post(api).update(security=[{"bearer": []}])),
    ("another way in", lambda api: post(api)["security"].append({"key": []})),
    ("texts of an operation", lambda api: get(api).update(
        {"summary": "A", "description": "B", "deprecated": True, "operationId": "c", "tags": ["d"], "x-e": 1})),
    ("unused schema removed", lambda api: api["components"]["schemas"].pop("Unused")),
    ("schema renamed", renamed_schema),
    ("response shared", shared_response),
    ("another release", lambda api: [api["info"].update(version="2"), api.update({"openapi": "3.1.1"})]),
]  # fmt: skip


@pytest.mark.parametrize("change", [case[1] for case in ACCEPTED], ids=[case[0] for case in ACCEPTED])
def test_a_change_that_deployed_clients_survive_passes(change: Change) -> None:
    assert judge(change) == []


def test_a_recursive_schema_is_compared_to_its_end() -> None:
    found = judge(field("n", maximum=10))
    assert [each.path for each in found] == ["GET /things 200[].n", "POST /things 201.n"]


def test_a_recursive_schema_that_refers_to_another_one_is_no_longer_the_same() -> None:
    def other_parts(api: Document) -> None:
        api["components"]["schemas"]["Part"] = {"type": "object", "required": ["n"], "properties": {"n": STRING}}
        thing(api, "out")["properties"]["parts"]["items"] = {"$ref": ref("Part")}

    assert any(each.path == "POST /things 201.parts[].n" and "integer to string" in each.change for each in
               judge(other_parts))  # fmt: skip


@pytest.mark.parametrize("reference", ["#/components/schemas/Nobody", "other.json#/A"])
def test_a_reference_that_leads_nowhere_is_an_error(reference: str) -> None:
    with pytest.raises(ValueError, match="leads nowhere"):
        judge(replaced("n", {"$ref": reference}))


def test_a_union_with_a_discriminator_may_gain_an_alternative_in_requests_only() -> None:
    cat, dog = ({"type": "object", "required": ["kind"], "properties": {"kind": {"const": name}}} for name in "cd")

    def pet(*alternatives: Document) -> Document:
        return {"oneOf": list(alternatives), "discriminator": {"propertyName": "kind"}}

    found = judge(replaced("pet", pet(cat, dog)), before=replaced("pet", pet(cat)))
    assert {each.path for each in found} == {"GET /things 200[].pet", "POST /things 201.pet"}
