"""A finding about one incompatible change, and the rules for a single keyword of a schema."""

from dataclasses import dataclass

from contracts.normal_form import Schema, canonical_json

OLD_READERS_REFUSE = "deployed consumers refuse new events that make use of it"
NEW_READERS_REFUSE = "new code refuses old events, still stored or on their way, that made use of it"
EITHER_REFUSES = "new code may refuse old events, and deployed consumers may refuse new ones"

LOWER_BOUNDS = {"minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"}
UPPER_BOUNDS = {"maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"}


@dataclass(frozen=True, slots=True)
class Finding:
    """One incompatible change: where, what, and why it can't be made in this version."""

    path: str
    """The place of the change, such as `lines[].unit_price.amount`; empty for the event itself."""
    change: str
    why: str

    def __str__(self) -> str:
        return f"{self.path or 'the event'}: {self.change}: {self.why}"


def finding_for_keyword(keyword: str, old: Schema, new: Schema, path: str) -> Finding:
    """Return the finding for a keyword that has changed, and that is compatible only if it is unchanged."""
    match keyword:
        case "enum" if "enum" in old and "enum" in new:
            return _enum(old["enum"], new["enum"], path)
        case "nullable":
            if "nullable" in new:
                return Finding(path, "null is now allowed", OLD_READERS_REFUSE)
            return Finding(path, "null is no longer allowed", NEW_READERS_REFUSE)
        case "default":
            why = "an event that leaves the field out would now mean something else"
        case "additionalProperties":
            why = "whether unknown fields are refused decides what may be added later"
        case _:
            why = _refusing_side(keyword, old, new)
    return Finding(path, describe_change(keyword, old, new), why)


def _enum(was: list[object], now: list[object], path: str) -> Finding:
    gained, lost = enum_changes(was, now)
    why = EITHER_REFUSES if gained and lost else OLD_READERS_REFUSE if gained else NEW_READERS_REFUSE
    return Finding(path, describe_enum_change(gained, lost), why)


def enum_changes(was: list[object], now: list[object]) -> tuple[list[str], list[str]]:
    """Return the values that an enum has gained, and those that it has lost, as JSON."""
    before, after = {canonical_json(each) for each in was}, {canonical_json(each) for each in now}
    return sorted(after - before), sorted(before - after)


def describe_enum_change(gained: list[str], lost: list[str]) -> str:
    """Return the change of an enum in words."""
    changes = [f"added {', '.join(gained)}"] * bool(gained) + [f"removed {', '.join(lost)}"] * bool(lost)
    return f"allowed values: {' and '.join(changes)}"


def _refusing_side(keyword: str, old: Schema, new: Schema) -> str:
    """Return which readers refuse events. Every keyword restricts when it is added; a bound also when tightened."""
    if keyword not in old:
        return NEW_READERS_REFUSE
    if keyword not in new:
        return OLD_READERS_REFUSE
    if keyword in LOWER_BOUNDS:
        return NEW_READERS_REFUSE if new[keyword] > old[keyword] else OLD_READERS_REFUSE
    if keyword in UPPER_BOUNDS:
        return NEW_READERS_REFUSE if new[keyword] < old[keyword] else OLD_READERS_REFUSE
    return EITHER_REFUSES


def describe_change(keyword: str, old: Schema, new: Schema) -> str:
    """Return the change of a keyword in words."""
    if keyword not in old:
        return f"`{keyword}` added: {canonical_json(new[keyword])}"
    if keyword not in new:
        return f"`{keyword}` removed: {canonical_json(old[keyword])}"
    return f"`{keyword}` changed from {canonical_json(old[keyword])} to {canonical_json(new[keyword])}"
