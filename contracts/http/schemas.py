"""Judges changes of the schemas in an OpenAPI document, in the direction in which their values are sent.

`contracts/http/compatibility.py` has the table of changes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from contracts.findings import Finding, describe_change
from contracts.http.directions import Direction
from contracts.http.keywords import (
    DIRECTION_ANNOTATIONS,
    RESTRICTIONS,
    constraints,
    describe_types,
    restriction_differences,
    type_differences,
    types_of,
)
from contracts.http.references import Document, resolve
from contracts.normal_form import Schema, canonical_json, normal_form

OBJECT_KEYWORDS = {"type", "properties", "required"}
"""An object with only these keywords ignores fields that are unknown to it."""
COMPARED_ALONE = OBJECT_KEYWORDS | RESTRICTIONS | {"items", "prefixItems", "additionalProperties"}
"""If a schema has only these keywords, each of its parts can be judged alone."""
UNION_KEYWORDS = {"anyOf", "oneOf", "discriminator"}
ANYTHING: Schema = {}
NOTHING: Schema = {"not": {}}
NULL = frozenset({"null"})

OpenPairs = frozenset[tuple[int, int]]
"""The pairs of schemas that are being compared: a recursive schema leads back to one of them."""


@dataclass(frozen=True)
class SchemaComparison:
    """Compares schemas of an old and a new document, in one direction."""

    old: Document
    new: Document
    direction: Direction

    def differences(
        self, old: Schema | bool, new: Schema | bool, path: str, open_pairs: OpenPairs = frozenset()
    ) -> Iterator[Finding]:
        """Yield the findings between two schemas. A schema that is not known to be safe has at least one."""
        before, after = self._resolve(old, self.old), self._resolve(new, self.new)
        pair = (id(before), id(after))
        if pair in open_pairs or canonical_json(before) == canonical_json(after) == "{}":
            return
        open_pairs |= {pair}
        sent, expected = self.direction.sent_and_expected(_Union.of(before, self.old), _Union.of(after, self.new))
        if NOTHING in sent.members:
            return
        if sent.has_null and not expected.has_null:
            change = "null is no longer allowed" if self.direction is Direction.REQUEST else "null is now allowed"
            yield Finding(path, change, self.direction.refusal)
        if not (_is_plain(before) and _is_plain(after)):
            yield from self._keyword_differences(before, after, path)
        elif len(sent.members) == len(expected.members) == 1:
            members = self.direction.old_and_new(sent.members[0], expected.members[0])
            yield from self._single_differences(*members, path, open_pairs)
        else:
            yield from self._union_differences(before, after, path, open_pairs)

    def default_differences(self, old: Schema | bool, new: Schema | bool, path: str) -> Iterator[Finding]:
        """Yield a finding if a value that is left out has another meaning now."""
        was, now = ({"default": each["default"]} if "default" in each else {} for each in map(_as_schema, (old, new)))
        if canonical_json(was) != canonical_json(now):
            who = "a request that leaves it out" if self.direction is Direction.REQUEST else "a response without it"
            yield Finding(path, describe_change("default", was, now), f"{who} would now mean something else")

    def _resolve(self, schema: Schema | bool, document: Document) -> Schema:
        """Return the schema that a reference names. Keywords beside the reference remain if they restrict values."""
        plain = _as_schema(schema)
        if "$ref" in plain and constraints(plain).keys() == {"$ref"}:
            return resolve(plain, document)
        return plain

    def _union_differences(self, old: Schema, new: Schema, path: str, open_pairs: OpenPairs) -> Iterator[Finding]:
        """Yield a finding for each alternative that may be sent and is no alternative of the receiver."""
        if old.get("discriminator", {}).get("propertyName") != new.get("discriminator", {}).get("propertyName"):
            yield Finding(path, describe_change("discriminator", old, new), self.direction.refusal)
        unions = _Union.of(old, self.old), _Union.of(new, self.new)
        sent, expected = self.direction.sent_and_expected(*unions)
        for each in sent.members:
            pairs = [self.direction.old_and_new(each, other) for other in expected.members]
            if all(any(self.differences(*pair, path, open_pairs)) for pair in pairs):
                verb = "removed from" if self.direction is Direction.REQUEST else "added to"
                change = f"an alternative was {verb} the union, or changed: {describe_types(each)}"
                yield Finding(path, change, self.direction.refusal)

    def _single_differences(self, old: Schema, new: Schema, path: str, open_pairs: OpenPairs) -> Iterator[Finding]:
        """Yield the findings between two schemas that are no unions."""
        before, after = constraints(self._resolve(old, self.old)), constraints(self._resolve(new, self.new))
        if not before.keys() | after.keys() <= COMPARED_ALONE:
            yield from self._keyword_differences(before, after, path)
            return
        other_type = list(type_differences(before, after, path, self.direction))
        if other_type:
            yield from other_type
            return
        yield from restriction_differences(before, after, path, self.direction)
        yield from self._field_differences(before, after, path, open_pairs)
        yield from self._part_differences(before, after, path, open_pairs)

    def _field_differences(self, old: Schema, new: Schema, path: str, open_pairs: OpenPairs) -> Iterator[Finding]:
        before, after = old.get("properties", {}), new.get("properties", {})
        old_required, new_required = set(old.get("required", ())), set(new.get("required", ()))
        old_fields, new_fields = before.keys() | old_required, after.keys() | new_required
        sent, expected = self.direction.sent_and_expected(old_required, new_required)
        for name in sorted(old_fields | new_fields):
            field = f"{path}.{name}"
            was, now = before.get(name, ANYTHING), after.get(name, ANYTHING)
            if name not in new_fields:
                yield Finding(field, "field removed", self.direction.removal)
            elif name not in old_fields:
                if name in new_required and self.direction is Direction.REQUEST:
                    yield Finding(field, "required field added", "deployed clients do not send it")
                elif not self._may_gain_fields(old):
                    yield Finding(field, "field added to an object that restricts its fields", self.direction.refusal)
            else:
                if name in expected - sent:
                    change = "optional field made required" if name in new_required else "required field made optional"
                    yield Finding(field, change, f"the {self._sender} may leave it out")
                if name not in old_required | new_required:
                    yield from self.default_differences(was, now, field)
                yield from self.differences(was, now, field, open_pairs)

    def _part_differences(self, old: Schema, new: Schema, path: str, open_pairs: OpenPairs) -> Iterator[Finding]:
        """Yield the findings in the items of a list, the items of a tuple, and the fields that have no name."""
        was, now = old.get("prefixItems", []), new.get("prefixItems", [])
        if len(was) == len(now):
            for index, (one, other) in enumerate(zip(was, now, strict=True)):
                yield from self.differences(one, other, f"{path}[{index}]", open_pairs)
        else:
            yield Finding(path, describe_change("prefixItems", old, new), self.direction.refusal)
        one, other = old.get("items", True), new.get("items", True)
        if "uniqueItems" in old.keys() | new.keys():
            # Two items may differ only in a field that an old receiver does not know. It would have one of them twice.
            yield from self._keyword_differences({"items": one}, {"items": other}, path)
        else:
            yield from self.differences(one, other, f"{path}[]", open_pairs)
        one, other = old.get("additionalProperties", True), new.get("additionalProperties", True)
        sent, expected = self.direction.sent_and_expected(one, other)
        if expected is False and sent is not False:
            yield Finding(path, describe_change("additionalProperties", old, new), self.direction.refusal)
        else:
            yield from self.differences(one, other, f"{path}.*", open_pairs)

    def _keyword_differences(self, old: Schema, new: Schema, path: str) -> Iterator[Finding]:
        """Yield a finding for each keyword that differs: without a rule of its own, no change is known to be safe."""
        for keyword in sorted(constraints(old).keys() | constraints(new).keys()):
            was, now = _normal(keyword, old, self.old), _normal(keyword, new, self.new)
            if was != now:
                yield Finding(path, describe_change(keyword, old, new), "not known to be safe for deployed clients")

    def _may_gain_fields(self, old: Schema) -> bool:
        """Return whether a receiver of the old form accepts a field that is unknown to it."""
        if self.direction is Direction.REQUEST and old.get("additionalProperties") is False:
            return True  # no deployed client sends unknown fields
        return old.keys() <= OBJECT_KEYWORDS

    @property
    def _sender(self) -> str:
        return "deployed client" if self.direction is Direction.REQUEST else "new server"


@dataclass(frozen=True)
class _Union:
    """What a schema allows: its alternatives other than null, and whether it allows null.

    Without `anyOf` or `oneOf`, the schema itself is the only alternative.
    """

    members: tuple[Schema, ...]
    has_null: bool

    @classmethod
    def of(cls, schema: Schema, document: Document) -> "_Union":
        union = schema.get("anyOf", schema.get("oneOf"))
        if union is None:
            # A schema with other keywords is accepted only if it is unchanged. Then null needs no attention.
            return cls((schema,), constraints(schema).keys() <= COMPARED_ALONE and "null" in types_of(schema))
        parts = [resolve(_as_schema(each), document) for each in union]
        members = tuple(each for each in parts if types_of(each) != NULL)
        return cls(members, any(cls.of(each, document).has_null for each in parts))


def _as_schema(schema: Schema | bool) -> Schema:
    if isinstance(schema, bool):
        return ANYTHING if schema else NOTHING
    return schema


def _is_plain(schema: Schema) -> bool:
    """Return whether a schema can be judged by its parts: it is a union and nothing else, or no union."""
    keywords = constraints(schema).keys()
    if "oneOf" in keywords and "discriminator" not in keywords:
        return False
    return keywords <= UNION_KEYWORDS or not keywords & UNION_KEYWORDS


def _normal(keyword: str, schema: Schema, document: Document) -> str | None:
    """Return the normal form of one keyword of a schema as text, or None if the schema does not have it."""
    if keyword not in schema or keyword in DIRECTION_ANNOTATIONS:
        return canonical_json(schema[keyword]) if keyword in schema else None
    shared = document.get("components", {}).get("schemas", {})
    definitions = {f"#/components/schemas/{name}": each for name, each in shared.items()}
    return canonical_json(normal_form({keyword: schema[keyword], "$defs": definitions}))
