"""Judges what an operation takes from a request and what it answers: parameters, bodies, responses and headers."""

from collections.abc import Iterator

from contracts.findings import Finding, describe_change
from contracts.http.directions import Direction
from contracts.http.keywords import is_ignored
from contracts.http.operations import Operation
from contracts.http.references import Document, resolve
from contracts.http.schemas import SchemaComparison

PROBLEM = {"application/problem+json"}
UNKNOWN = "not known to be safe for deployed clients"


def request_differences(old: Operation, new: Operation) -> Iterator[Finding]:
    """Yield the findings in the parameters and in the body."""
    compare = SchemaComparison(old.document, new.document, Direction.REQUEST)
    yield from _parameter_differences(old, new, compare)
    was, now, place = old.body, new.body, f"{old} body"
    if was is None and now is not None and now.get("required"):
        yield Finding(place, "required body added", "deployed clients do not send it")
    elif was is not None and now is None:
        yield Finding(place, "body removed", compare.direction.removal)
    elif was is not None and now is not None:
        if now.get("required") and not was.get("required"):
            yield Finding(place, "body made required", "deployed clients may leave it out")
        yield from _unequal(was, now, place, {"required", "content"})
        yield from _content_differences(was, now, place, compare)


def _parameter_differences(old: Operation, new: Operation, compare: SchemaComparison) -> Iterator[Finding]:
    before, after = old.parameters, new.parameters
    for key in sorted(before.keys() | after.keys(), key=str):
        was, now = before.get(key), after.get(key)
        known = was or now or {}
        place = f"{old} {known['in']} {known['name']}"
        if was is None:
            if known.get("required"):
                yield Finding(place, "required parameter added", "deployed clients do not send it")
        elif now is None:
            yield Finding(place, "parameter removed", compare.direction.removal)
        else:
            if now.get("required") and not was.get("required"):
                yield Finding(place, "optional parameter made required", "deployed clients may leave it out")
            one, other = was.get("schema", True), now.get("schema", True)
            if not was.get("required") and not now.get("required"):
                yield from compare.default_differences(one, other, place)
            yield from compare.differences(one, other, place)
            yield from _unequal(was, now, place, {"name", "in", "required", "schema", "content"})
            yield from _content_differences(was, now, place, compare)


def response_differences(old: Operation, new: Operation) -> Iterator[Finding]:
    """Yield the findings in the responses of every status code."""
    compare = SchemaComparison(old.document, new.document, Direction.RESPONSE)
    before, after = old.responses, new.responses
    for status in sorted(before.keys() | after.keys()):
        was, now, place = before.get(status), after.get(status), f"{old} {status}"
        if now is None:
            if not _is_open_now(status, old, new):
                yield Finding(place, "response removed", "deployed clients may decide by this status code")
        elif was is None:
            if status.startswith(("4", "5")):
                if now.get("content", {}).keys() != PROBLEM:
                    change = "error response added that is no problem document"
                    yield Finding(place, change, "deployed clients read problem documents only")
            elif not (status == "304" and old.method in ("get", "head")):
                yield Finding(place, "response added", "deployed clients do not know this status code")
        else:
            yield from _unequal(was, now, place, {"content", "headers"})
            yield from _content_differences(was, now, place, compare)
            yield from _header_differences(was, now, place, compare)


def _is_open_now(status: str, old: Operation, new: Operation) -> bool:
    """Return whether a response only said that a token is missing or not enough, and no token is needed any more."""
    nobody = frozenset[tuple[str, frozenset[str]]]()
    return status in ("401", "403") and nobody in new.security and nobody not in old.security


def _header_differences(old: Document, new: Document, place: str, compare: SchemaComparison) -> Iterator[Finding]:
    before = {name.lower(): (name, resolve(each, compare.old)) for name, each in old.get("headers", {}).items()}
    after = {name.lower(): resolve(each, compare.new) for name, each in new.get("headers", {}).items()}
    for key, (name, was) in sorted(before.items()):
        header, now = f"{place} header {name}", after.get(key)
        if now is None:
            yield Finding(header, "response header removed", compare.direction.removal)
            continue
        if was.get("required") and not now.get("required"):
            yield Finding(header, "required header made optional", "the new server may leave it out")
        yield from compare.differences(was.get("schema", True), now.get("schema", True), header)
        yield from _unequal(was, now, header, {"required", "schema", "content"})
        yield from _content_differences(was, now, header, compare)


def _content_differences(old: Document, new: Document, place: str, compare: SchemaComparison) -> Iterator[Finding]:
    """Yield the findings in the media types of a body, and in the schema of each."""
    before, after = old.get("content", {}), new.get("content", {})
    for media_type in sorted(before.keys() | after.keys()):
        where = place if media_type in ("application/json", *PROBLEM) else f"{place} ({media_type})"
        if media_type not in after:
            yield Finding(where, f"media type {media_type} removed", compare.direction.removal)
        elif media_type in before:
            was, now = before[media_type], after[media_type]
            yield from compare.differences(was.get("schema", True), now.get("schema", True), where)
            yield from _unequal(was, now, where, {"schema"})
        elif compare.direction is Direction.RESPONSE:
            yield Finding(where, f"media type {media_type} added", compare.direction.refusal)


def _unequal(old: Document, new: Document, place: str, judged: set[str]) -> Iterator[Finding]:
    """Yield a finding for each changed key that is neither judged elsewhere nor a text."""
    for key in sorted((old.keys() | new.keys()) - judged):
        if not is_ignored(key) and old.get(key) != new.get(key):
            yield Finding(place, describe_change(key, old, new), UNKNOWN)
