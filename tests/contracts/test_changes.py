"""The gate judges every kind of change as the table in `contracts/compatibility.py` says.

If a change is refused because of its effect on instances, the case has an example event. It is valid in one schema and
not in the other, which jsonschema-rs, an independent validator, confirms.
"""

from dataclasses import dataclass
from typing import Annotated, Any, Literal
from uuid import UUID

import jsonschema_rs
import pytest
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, create_model

from contracts.compatibility import find_breaking_changes

Schema = dict[str, Any]


def shape(name: str = "ThingV1", /, config: ConfigDict | None = None, **fields: Any) -> type[BaseModel]:
    """Return a model with these fields, each a type or a pair of a type and its default."""
    pairs = {each: kind if isinstance(kind, tuple) else (kind, ...) for each, kind in fields.items()}
    return create_model(name, __config__=config, **pairs)


def ranged(**limits: Any) -> Any:
    return Annotated[int, Field(**limits)]


def text(**limits: Any) -> Any:
    return Annotated[str, Field(**limits)]


def items(**limits: Any) -> Any:
    return Annotated[list[int], Field(**limits)]


@dataclass
class Refused:
    what: str
    old: type[BaseModel]
    new: type[BaseModel]
    path: str
    change: str
    """Part of the finding's text."""
    old_event: Schema | None = None
    """Valid in the old schema only."""
    new_event: Schema | None = None
    """Valid in the new schema only."""


a = shape(n=int)
part = shape("Part", amount=int)
REFUSED = [
    Refused("required field added", a, shape(n=int, m=int), "m", "required field added", old_event={"n": 1}),
    Refused("optional made required", shape(n=(int, 1)), a, "n", "optional field made required", old_event={}),
    Refused("required made optional", a, shape(n=(int, 1)), "n", "required field made optional", new_event={}),
    Refused("required field removed", shape(n=int, m=int), a, "m", "field removed", new_event={"n": 1}),
    Refused("optional field removed", shape(n=int, m=(int, 1)), a, "m", "field removed"),
    Refused("field renamed", a, shape(count=int), "n", "renamed to `count`?", old_event={"n": 1}),
    Refused("integer to string", a, shape(n=str), "n", "from integer to string", old_event={"n": 1}),
    Refused("integer to number", a, shape(n=float), "n", "from integer to number", new_event={"n": 0.5}),
    Refused("number to integer", shape(n=float), a, "n", "from number to integer", old_event={"n": 0.5}),
    Refused("one to list of it", a, shape(n=list[int]), "n", "from integer to array", old_event={"n": 1}),
    Refused("type dropped", a, shape(n=Any), "n", "from integer to anything", new_event={"n": "?"}),
    Refused("null allowed", a, shape(n=int | None), "n", "null is now allowed", new_event={"n": None}),
    Refused("null refused", shape(n=int | None), a, "n", "null is no longer allowed", old_event={"n": None}),
    Refused("union wider", a, shape(n=int | str), "n", "integer or string", new_event={"n": ""}),
    Refused("union narrower", shape(n=int | str), a, "n", "integer or string", old_event={"n": ""}),
    Refused("default changed", shape(n=(int, 1)), shape(n=(int, 2)), "n", "from 1 to 2"),
    Refused("default to true from 1", shape(n=(Any, 1)), shape(n=(Any, True)), "n", "from 1 to true"),
    Refused("default of null set", shape(n=(int | None, None)), shape(n=(int | None, 0)), "n", "from null to 0"),
    Refused(
        "enum value added", shape(x=Literal["a", "b"]), shape(x=Literal["a", "b", "c"]), "x", 'added "c"',
        new_event={"x": "c"},
    ),
    Refused(
        "enum value removed", shape(x=Literal["a", "b"]), shape(x=Literal["a"]), "x", 'removed "b"',
        old_event={"x": "b"},
    ),
    Refused(
        "enum value replaced", shape(x=Literal["a", "b"]), shape(x=Literal["a", "c"]), "x", 'added "c" and removed "b"',
        old_event={"x": "b"},
    ),
    Refused("constant changed", shape(x=Literal["a"]), shape(x=Literal["b"]), "x", 'added "b"', old_event={"x": "a"}),
    Refused("enum freed", shape(x=Literal["a"]), shape(x=str), "x", "`enum` removed", new_event={"x": "z"}),
    Refused("text made an enum", shape(x=str), shape(x=Literal["a"]), "x", "`enum` added", old_event={"x": "z"}),
    Refused("maximum up", shape(n=ranged(le=100)), shape(n=ranged(le=200)), "n", "100 to 200", new_event={"n": 150}),
    Refused("maximum down", shape(n=ranged(le=200)), shape(n=ranged(le=100)), "n", "200 to 100", old_event={"n": 150}),
    Refused("maximum gone", shape(n=ranged(le=100)), a, "n", "`maximum` removed", new_event={"n": 101}),
    Refused("minimum added", a, shape(n=ranged(ge=0)), "n", "`minimum` added", old_event={"n": -1}),
    Refused("minimum up", shape(n=ranged(ge=0)), shape(n=ranged(ge=1)), "n", "0 to 1", old_event={"n": 0}),
    Refused("minimum down", shape(n=ranged(ge=1)), shape(n=ranged(ge=0)), "n", "1 to 0", new_event={"n": 0}),
    Refused("bound made exclusive", shape(n=ranged(ge=0)), shape(n=ranged(gt=0)), "n", "exclusiveMinimum", {"n": 0}),
    Refused(
        "multiple of", shape(n=ranged(multiple_of=2)), shape(n=ranged(multiple_of=4)), "n", "multipleOf",
        old_event={"n": 2},
    ),
    Refused(
        "text longer", shape(s=text(max_length=2)), shape(s=text(max_length=3)), "s", "`maxLength` changed",
        new_event={"s": "abc"},
    ),
    Refused(
        "text shorter", shape(s=text(min_length=1)), shape(s=text(min_length=2)), "s", "`minLength` changed",
        old_event={"s": "a"},
    ),
    Refused(
        "pattern changed", shape(s=text(pattern="^a$")), shape(s=text(pattern="^b$")), "s", "`pattern` changed",
        old_event={"s": "a"},
    ),
    Refused("pattern added", shape(s=str), shape(s=text(pattern="^a$")), "s", "`pattern` added", old_event={"s": ""}),
    Refused("format added", shape(s=str), shape(s=UUID), "s", "`format` added", old_event={"s": "x"}),
    Refused("format removed", shape(s=UUID), shape(s=str), "s", "`format` removed", new_event={"s": "x"}),
    Refused("format changed", shape(s=UUID), shape(s=AwareDatetime), "s", '"uuid" to "date-time"'),
    Refused("list items changed", shape(s=list[int]), shape(s=list[str]), "s[]", "to string", old_event={"s": [1]}),
    Refused(
        "list item bounded", shape(s=list[int]), shape(s=list[ranged(le=9)]), "s[]", "maximum", old_event={"s": [10]}
    ),
    Refused(
        "more list items", shape(s=items(max_length=1)), shape(s=items(max_length=2)), "s", "`maxItems` changed",
        new_event={"s": [1, 1]},
    ),
    Refused(
        "fewer list items", shape(s=list[int]), shape(s=items(min_length=1)), "s", "`minItems` added",
        old_event={"s": []},
    ),
    Refused("list made a set", shape(s=list[int]), shape(s=set[int]), "s", "uniqueItems", old_event={"s": [1, 1]}),
    Refused(
        "tuple longer", shape(s=tuple[int]), shape(s=tuple[int, int]), "s", "prefixItems", old_event={"s": [1]}
    ),
    Refused(
        "tuple item", shape(s=tuple[int, int]), shape(s=tuple[int, str]), "s[1]", "integer to string",
        old_event={"s": [1, 1]},
    ),
    Refused(
        "map values", shape(m=dict[str, int]), shape(m=dict[str, str]), "m.*", "integer to string",
        old_event={"m": {"k": 1}},
    ),
    Refused(
        "nested field removed", shape(p=shape("Part", amount=int, unit=int)), shape(p=part), "p.unit", "field removed",
        new_event={"p": {"amount": 1}},
    ),
    Refused(
        "required field in a list of objects",
        shape(p=list[part]), shape(p=list[shape("Part", amount=int, unit=int)]),
        "p[].unit", "required field added", old_event={"p": [{"amount": 1}]},
    ),
    Refused(
        "deep in an optional object",
        shape(p=(part | None, None)), shape(p=(shape("Part", amount=ranged(ge=0)) | None, None)),
        "p.amount", "`minimum` added", old_event={"p": {"amount": -1}},
    ),
    Refused(
        "unknown fields refused", a, shape(config=ConfigDict(extra="forbid"), n=int), "", "additionalProperties",
        old_event={"n": 1, "later": 1},
    ),
    Refused("unknown fields kept", a, shape(config=ConfigDict(extra="allow"), n=int), "", "additionalProperties"),
    Refused(
        "field added where unknown ones are refused",
        shape(config=ConfigDict(extra="forbid"), n=int), shape(config=ConfigDict(extra="forbid"), n=int, m=(int, 1)),
        "m", "restricts its fields", new_event={"n": 1, "m": 2},
    ),
    Refused(
        "field added in one member of a union",
        shape(u=part | shape("Other", other=int)),
        shape(u=shape("Part", amount=int, m=(int, 1)) | shape("Other", other=int)),
        "u", "`anyOf` changed",
    ),
]  # one case on each line where possible  # fmt: skip

part_more = shape("Part", amount=int, note=(str | None, None))
ACCEPTED = [
    ("nothing", a, shape(n=int)),
    ("optional field that may be null", a, shape(n=int, m=(int | None, None))),
    ("optional field with a default", a, shape(n=int, m=(bool, False))),
    ("optional object", a, shape(n=int, p=(part | None, None))),
    ("optional field in a nested object", shape(p=part), shape(p=part_more)),
    ("optional field in a list item", shape(p=list[part]), shape(p=list[part_more])),
    ("optional field in a map's values", shape(p=dict[str, part]), shape(p=dict[str, part_more])),
    ("optional field in a tuple", shape(p=tuple[part, int]), shape(p=tuple[part_more, int])),
    ("optional field in an optional object", shape(p=(part | None, None)), shape(p=(part_more | None, None))),
    ("another title", a, shape(n=Annotated[int, Field(title="Number")])),
    ("a description", a, shape(n=Annotated[int, Field(description="how many")])),
    ("examples", a, shape(n=Annotated[int, Field(examples=[1])])),
    ("deprecation", a, shape(n=Annotated[int, Field(deprecated=True)])),
    ("another name of a nested class", shape(p=part), shape(p=shape("Portion", amount=int))),
    ("another name of the event's class", a, shape("OtherV1", n=int)),
    ("another order of fields", shape(n=int, s=str), shape(s=str, n=int)),
    ("another order of enum values", shape(x=Literal["a", "b"]), shape(x=Literal["b", "a"])),
    ("another order in a union", shape(x=int | str | None), shape(x=str | None | int)),
    ("the same bound written as a float", shape(n=ranged(le=9)), shape(n=ranged(le=9.0))),
]


def valid(model: type[BaseModel], event: Schema) -> bool:
    return jsonschema_rs.validator_for(model.model_json_schema(), validate_formats=True).is_valid(event)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.what)
def test_a_breaking_change_is_refused_and_names_the_field(case: Refused) -> None:
    findings = find_breaking_changes(case.old.model_json_schema(), case.new.model_json_schema())

    assert any(each.path == case.path and case.change in each.change for each in findings), findings
    assert all(each.why for each in findings)
    if case.old_event is not None:
        assert valid(case.old, case.old_event)
        assert not valid(case.new, case.old_event)
    if case.new_event is not None:
        assert valid(case.new, case.new_event)
        assert not valid(case.old, case.new_event)


@pytest.mark.parametrize("case", REFUSED, ids=lambda case: case.what)
def test_the_reason_names_the_side_that_breaks(case: Refused) -> None:
    whys = {each.why for each in find_breaking_changes(case.old.model_json_schema(), case.new.model_json_schema())}
    if case.old_event is not None:
        assert any("old events" in why or "added later" in why for why in whys), whys
    if case.new_event is not None:
        assert any("new events" in why or "deployed consumers" in why for why in whys), whys


@pytest.mark.parametrize(("what", "old", "new"), ACCEPTED, ids=[what for what, *_ in ACCEPTED])
def test_a_change_that_breaks_no_reader_passes(what: str, old: type[BaseModel], new: type[BaseModel]) -> None:
    assert find_breaking_changes(old.model_json_schema(), new.model_json_schema()) == []


@pytest.mark.parametrize("case", [*REFUSED], ids=lambda case: case.what)
def test_the_reverse_of_a_refused_change_is_refused_unless_it_only_adds_a_field(case: Refused) -> None:
    back = find_breaking_changes(case.new.model_json_schema(), case.old.model_json_schema())
    assert back or case.what == "optional field removed"


def event_of(key: str, *, internal: bool) -> Schema:
    return {"x-event": {"key": key, "internal": internal}, **a.model_json_schema()}


def test_another_key_is_refused() -> None:
    (finding,) = find_breaking_changes(event_of("n", internal=False), event_of("m", internal=False))
    assert "key changed from `n` to `m`" in finding.change


def test_an_internal_event_may_become_public_but_not_the_reverse() -> None:
    public, internal = event_of("n", internal=False), event_of("n", internal=True)
    (finding,) = find_breaking_changes(public, internal)
    assert "made internal" in finding.change
    assert find_breaking_changes(internal, public) == []


def test_an_unknown_keyword_is_refused() -> None:
    (finding,) = find_breaking_changes({"type": "string"}, {"type": "string", "contentEncoding": "base64"})
    assert "contentEncoding" in finding.change


def test_a_change_of_a_shared_part_is_reported_at_each_place() -> None:
    old = shape(a=part, b=list[part]).model_json_schema()
    changed = shape("Part", amount=str)
    findings = find_breaking_changes(old, shape(a=changed, b=list[changed]).model_json_schema())
    assert [each.path for each in findings] == ["a.amount", "b[].amount"]


@pytest.mark.parametrize(
    ("keyword", "around"),
    [
        ("uniqueItems", lambda each: {"type": "array", "items": each, "uniqueItems": True}),
        ("patternProperties", lambda each: {"type": "object", "patternProperties": {"^k": each}}),
    ],
)
def test_no_field_may_be_added_below_a_keyword_that_restricts_the_whole_value(keyword: str, around: Any) -> None:
    """Two members of a set may differ only in the new field; an old reader then has one of them twice."""
    (finding,) = find_breaking_changes(around(part.model_json_schema()), around(part_more.model_json_schema()))
    assert finding.path == ""
    assert finding.why
    assert keyword in finding.change or finding.change.startswith("`items` changed")
