"""The normal form of a schema keeps what decides which instances are valid, and drops the rest."""

from contracts.normal_form import canonical_json, normal_form


def test_a_field_may_have_the_name_of_a_keyword() -> None:
    fields = {name: {"type": "string"} for name in ("title", "description", "default", "enum", "$defs", "const")}
    form = normal_form({"type": "object", "properties": fields, "title": "Gone"})
    assert form == {"type": "object", "properties": fields}


def test_a_default_that_looks_like_a_schema_is_kept_complete() -> None:
    schema = {"type": "object", "default": {"title": "kept", "const": 1.0}}
    assert normal_form(schema)["default"] == {"title": "kept", "const": 1}


def test_a_reference_equals_its_target() -> None:
    referring = {"$defs": {"A": {"type": "integer", "title": "A"}}, "items": {"$ref": "#/$defs/A"}}
    assert normal_form(referring) == normal_form({"items": {"type": "integer"}})


def test_constraints_beside_a_reference_are_not_lost() -> None:
    schema = {"$defs": {"A": {"type": "integer", "minimum": 1}}, "$ref": "#/$defs/A", "minimum": 2}
    assert normal_form(schema) == {"allOf": [{"type": "integer", "minimum": 1}, {"minimum": 2}]}


def test_a_recursive_reference_becomes_the_number_of_levels_to_its_target() -> None:
    def chain(inner: str, outer: str) -> dict[str, object]:
        """Return a schema in which A contains B, and B contains one of the two again."""
        return {
            "$defs": {
                "A": {"type": "object", "properties": {"next": {"$ref": "#/$defs/B"}}},
                "B": {"type": "object", "properties": {"next": {"$ref": f"#/$defs/{inner}"}}},
            },
            "$ref": f"#/$defs/{outer}",
        }

    assert normal_form(chain("A", "A")) != normal_form(chain("B", "A"))
    assert normal_form(chain("A", "A"))["properties"]["next"]["properties"]["next"] == {"$ref": 2}


def test_null_beside_other_restrictions_stays_a_union() -> None:
    limited = {"anyOf": [{"type": "integer"}, {"type": "null"}], "enum": [1, 2]}
    assert normal_form(limited) != normal_form({"anyOf": [{"type": "integer", "enum": [1, 2]}, {"type": "null"}]})


def test_true_is_not_one() -> None:
    assert canonical_json({"a": True}) != canonical_json({"a": 1})
    assert canonical_json({"a": 1, "b": 2}) == canonical_json({"b": 2, "a": 1})
