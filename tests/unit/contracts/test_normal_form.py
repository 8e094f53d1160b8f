"""What the normal form of a schema keeps, and what it drops."""

from contracts.normal_form import normal_form, text


def test_a_field_may_be_called_like_a_keyword() -> None:
    fields = {name: {"type": "string"} for name in ("title", "description", "default", "enum", "$defs", "const")}
    form = normal_form({"type": "object", "properties": fields, "title": "Gone"})
    assert form == {"type": "object", "properties": fields}


def test_a_default_that_looks_like_a_schema_is_kept_whole() -> None:
    schema = {"type": "object", "default": {"title": "kept", "const": 1.0}}
    assert normal_form(schema)["default"] == {"title": "kept", "const": 1}


def test_a_reference_and_its_target_are_the_same() -> None:
    referring = {"$defs": {"A": {"type": "integer", "title": "A"}}, "items": {"$ref": "#/$defs/A"}}
    assert normal_form(referring) == normal_form({"items": {"type": "integer"}})


def test_constraints_beside_a_reference_are_not_lost() -> None:
    schema = {"$defs": {"A": {"type": "integer", "minimum": 1}}, "$ref": "#/$defs/A", "minimum": 2}
    assert normal_form(schema) == {"allOf": [{"type": "integer", "minimum": 1}, {"minimum": 2}]}


def test_recursion_ends_and_tells_to_which_level_it_goes() -> None:
    def chain(inner: str, outer: str) -> dict[str, object]:
        """A holds B holds one of them again."""
        return {
            "$defs": {
                "A": {"type": "object", "properties": {"next": {"$ref": "#/$defs/B"}}},
                "B": {"type": "object", "properties": {"next": {"$ref": f"#/$defs/{inner}"}}},
            },
            "$ref": f"#/$defs/{outer}",
        }

    assert normal_form(chain("A", "A")) != normal_form(chain("B", "A"))
    assert normal_form(chain("A", "A"))["properties"]["next"]["properties"]["next"] == {"$ref": 2}


def test_null_beside_other_limits_stays_a_union() -> None:
    limited = {"anyOf": [{"type": "integer"}, {"type": "null"}], "enum": [1, 2]}
    assert normal_form(limited) != normal_form({"anyOf": [{"type": "integer", "enum": [1, 2]}, {"type": "null"}]})


def test_true_is_not_one() -> None:
    assert text({"a": True}) != text({"a": 1})
    assert text({"a": 1, "b": 2}) == text({"b": 2, "a": 1})
