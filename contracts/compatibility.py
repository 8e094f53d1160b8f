"""Decides which changes are compatible within a version of an event. The table gives the reasons.

When a schema changes without a new version, old and new code meet in two ways. A deployed consumer receives *new*
events, and ignores fields that it doesn't know. New code receives *old* events from the outbox, the dead letters, the
`scheduled` table and the log stream. So for the fields that both know, the old and the new schema must accept the same
instances and give them the same meaning.
(Compatibility is therefore transitive, and a golden schema may be updated with every change that passes.)

| change                                         | judged   | because                                          |
|------------------------------------------------|----------|--------------------------------------------------|
| optional field added, at any depth             | passes   | old readers ignore it, new ones use the default  |
| descriptions, deprecation, a class's name      | passes   | no reader uses them                              |
| order of fields, enum values, union members    | passes   | the order has no meaning                         |
| constant to an enum of that value, and back    | passes   | the same instances                               |
| internal event made public                     | passes   | no other service consumed it before              |
| required field added; optional made required   | refused  | old events lack it                               |
| required made optional                         | refused  | new events may lack it                           |
| field removed, also optional; renamed          | refused  | old readers get nothing; name may be used again  |
| type changed, integer to number; union changed | refused  | old or new readers may refuse it                 |
| null allowed                                   | refused  | old readers refuse it                            |
| null no longer allowed                         | refused  | old events may hold it                           |
| enum value added, constant changed             | refused  | old readers refuse it                            |
| enum value removed                             | refused  | old events hold it                               |
| number, length or item bound wider or gone     | refused  | old readers refuse new events                    |
| number, length or item bound narrower or new   | refused  | new code refuses old events                      |
| pattern, format, multipleOf, uniqueItems       | refused  | added: narrower; removed: wider; changed: either |
| default added, removed, changed                | refused  | an absent field would mean something else        |
| change in a list item, tuple item or map value | as above | each such part is judged alone                   |
| unknown fields refused (or no longer)          | refused  | decides what may be added later                  |
| field added where the names are restricted     | refused  | old readers refuse it                            |
| change in a union, set or `patternProperties`  | refused  | may change what matches or counts as a duplicate |
| key changed                                    | refused  | order is kept per key                            |
| public event made internal                     | refused  | no other service would receive it                |
| any other keyword                              | refused  | not known to be safe                             |

Not detected, since JSON Schema doesn't show it: validators written in Python, strictness, `default_factory`, and a
changed meaning under an unchanged name. The same constraint written in another way (`gt=0` for `ge=1`) is refused.
"""

from collections.abc import Iterator
from itertools import chain

from contracts.findings import EITHER_REFUSES, OLD_READERS_REFUSE, Finding, finding_for_keyword
from contracts.normal_form import Schema, canonical_json, normal_form

OPEN_OBJECT_KEYWORDS = {"type", "properties", "required", "default", "nullable"}
"""An object with only these keywords accepts any new field."""
TRANSPARENT_KEYWORDS = OPEN_OBJECT_KEYWORDS | {"items", "prefixItems", "additionalProperties", "minItems", "maxItems"}
"""Keywords that don't restrict how the parts of a value are combined.

If a schema has only these, the schema of each part can be compared alone. A part that is an object may gain a field.
"""


def find_breaking_changes(old: Schema, new: Schema) -> list[Finding]:
    """Return every reason why `new` can't replace `old` within a version; none if it can."""
    return [*_event_differences(old, new), *_differences(normal_form(old), normal_form(new), "")]


def _event_differences(old: Schema, new: Schema) -> Iterator[Finding]:
    was, now = old.get("x-event", {}), new.get("x-event", {})
    if was.get("key") != now.get("key"):
        change = f"key changed from `{was.get('key')}` to `{now.get('key')}`"
        yield Finding("", change, "events of one key keep their order, and old events were ordered by the other key")
    if now.get("internal") and not was.get("internal"):
        yield Finding("", "public event made internal", "its consumers would no longer receive it")


def _differences(old: Schema, new: Schema, path: str) -> Iterator[Finding]:
    """Yield the findings between two normal forms."""
    if _kind(old) != _kind(new):
        yield Finding(path, f"type changed from {_kind(old)} to {_kind(new)}", EITHER_REFUSES)
        return
    keywords = old.keys() | new.keys()
    if keywords <= TRANSPARENT_KEYWORDS:
        yield from _fields(old, new, path)
        parts = _parts(old, new, path)
        for part, was, now in chain.from_iterable(parts.values()):
            yield from _differences(was, now, part)
        keywords -= {"properties", "required"} | parts.keys()
    for keyword in sorted(keywords):
        if (keyword in old) != (keyword in new) or canonical_json(old[keyword]) != canonical_json(new[keyword]):
            yield finding_for_keyword(keyword, old, new, path)


def _fields(old: Schema, new: Schema, path: str) -> Iterator[Finding]:
    """Yield the findings in the fields of two objects. A field is known if `properties` or `required` lists it."""
    before, after = old.get("properties", {}), new.get("properties", {})
    old_required, new_required = set(old.get("required", ())), set(new.get("required", ()))
    old_fields, new_fields = before.keys() | old_required, after.keys() | new_required
    for name in sorted(old_fields | new_fields):
        field = f"{path}.{name}" if path else name
        was, now = before.get(name, {}), after.get(name, {})
        if name not in new_fields:
            candidates = [
                each
                for each in sorted(new_fields - old_fields)
                if canonical_json(after.get(each, {})) == canonical_json(was)
            ]
            renamed = f" (renamed to `{candidates[0]}`?)" if candidates else ""
            yield Finding(field, f"field removed{renamed}", "deployed consumers that read it get nothing")
        elif name in old_fields and (name in old_required) == (name in new_required):
            yield from _differences(was, now, field)
        elif name in old_fields:
            change = "optional field made required" if name in new_required else "required field made optional"
            yield Finding(field, change, f"{'old' if name in new_required else 'new'} events may lack it")
            yield from _differences(_without_default(was), _without_default(now), field)
        elif name in new_required:
            yield Finding(field, "required field added", "old events, still stored or on their way, lack it")
        elif not old.keys() <= OPEN_OBJECT_KEYWORDS:
            yield Finding(field, "field added to an object that restricts its fields", OLD_READERS_REFUSE)


def _parts(old: Schema, new: Schema, path: str) -> dict[str, list[tuple[str, Schema, Schema]]]:
    """Return, by keyword, the parts that both have: items of a list, values of a map, items of a tuple."""
    parts = {
        keyword: [(path + step, old[keyword], new[keyword])]
        for keyword, step in (("items", "[]"), ("additionalProperties", ".*"))
        if keyword in old and keyword in new
    }
    was, now = old.get("prefixItems", []), new.get("prefixItems", [])
    if len(was) == len(now):
        parts["prefixItems"] = [(f"{path}[{i}]", a, b) for i, (a, b) in enumerate(zip(was, now, strict=True))]
    return parts


def _without_default(form: Schema) -> Schema:
    return {keyword: value for keyword, value in form.items() if keyword != "default"}


def _kind(form: Schema) -> str:
    """Return the type in words, without null."""
    union = form.get("anyOf", form.get("oneOf"))
    if union is not None:
        return " or ".join(sorted(_kind(each) for each in union))
    if form == {"not": {}}:
        return "nothing"
    kind = form.get("type", "anything")
    return kind if isinstance(kind, str) else " or ".join(sorted(kind))
