"""Decides which changes of an HTTP API its deployed clients survive. The table gives the reasons.

Clients are deployed apart from the services, so an old client calls a new server. What it may send, the server must
accept. What the server may answer, the client must expect. So a request may be given more freedom, and a response less.

| change                                            | request | response | because                                   |
|---------------------------------------------------|---------|----------|-------------------------------------------|
| path or method added                              | passes  | passes   | no deployed client uses it                |
| path or method removed                            | refused | refused  | clients call it                           |
| path parameter renamed                            | passes  |          | no request contains its name              |
| optional parameter, body or field added           | passes  | passes   | clients leave it out, or ignore it        |
| required parameter, body or field added           | refused | passes   | clients do not send it                    |
| parameter, body, field or header removed          | refused | refused  | ignored if sent; missing if read          |
| optional made required                            | refused | passes   | clients may leave it out                  |
| required made optional                            | passes  | refused  | the server may leave it out               |
| type wider (integer to number), null allowed      | passes  | refused  | clients do not expect it                  |
| type narrower, null no longer allowed             | refused | passes   | clients may send it                       |
| enum value or alternative of a union added        | passes  | refused  | clients do not know it                    |
| enum value or alternative of a union removed      | refused | passes   | clients may send it                       |
| bound, pattern, format, multipleOf looser or gone | passes  | refused  | the same, for each value                  |
| bound tighter; any of these added                 | refused | passes   | the same, for each value                  |
| pattern, format or multipleOf changed             | refused | refused  | whether it is narrower is not computed    |
| unknown fields refused                            | refused | passes   | clients may send some                     |
| unknown fields no longer refused                  | passes  | refused  | clients may refuse them                   |
| field added to an object that restricts its fields| refused | refused  | its name may have meant something else *) |
| default of an optional value changed              | refused | refused  | leaving it out would mean something else  |
| media type added                                  | passes  | refused  | clients may not read it                   |
| media type removed                                | refused | refused  | clients send it, or read it               |
| response header added                             |         | passes   | clients ignore it                         |
| success or redirect status added                  |         | refused  | clients decide by the status code         |
| 304 added to GET or HEAD                          |         | passes   | only conditional requests get it          |
| 4xx or 5xx added as `application/problem+json`    |         | passes   | clients must cope with any problem        |
| status removed                                    |         | refused  | clients decide by the status code         |
| 401 or 403 removed, and no token needed any more  |         | passes   | nobody gets it                            |
| token, scope or another scheme needed             | refused |          | clients do not have it                    |
| fewer tokens or scopes needed, or another way in  | passes  |          | clients send more than is needed          |
| texts, `deprecated`, `operationId`, tags, `x-…`   | passes  | passes   | no deployed client depends on them        |
| any other keyword (allOf, callbacks, servers …)   | refused | refused  | not known to be safe                      |

*) If the object refused unknown fields, a field may be added to a request, since no client sent it.

References are followed, so the names of shared schemas have no meaning. A recursive schema is compared once for each
pair of its old and new form. The rules do not cover a new client that calls an old server: it must wait until every
replica is new. Nor do they cover what OpenAPI does not show: validators written in Python, and a changed meaning under
an unchanged name.
"""

from collections.abc import Iterator

from contracts.findings import Finding, describe_change
from contracts.http.exchanges import UNKNOWN, request_differences, response_differences
from contracts.http.keywords import is_ignored
from contracts.http.operations import Alternative, Operation, operations_of
from contracts.http.references import Document

FORMAT = "3.1"
JUDGED_PARTS = {"openapi", "info", "tags", "paths", "components", "security"}


def find_breaking_changes(old: Document, new: Document) -> list[Finding]:
    """Return every reason why a server with the API `new` can't serve clients of `old`; none if it can.

    Raises ValueError if a reference in a document leads nowhere.
    """
    return [*_document_differences(old, new), *_operation_differences(old, new)]


def _document_differences(old: Document, new: Document) -> Iterator[Finding]:
    for which, document in (("old", old), ("new", new)):
        version = str(document.get("openapi"))
        if not version.startswith(f"{FORMAT}."):
            yield Finding("the document", f"the {which} one is OpenAPI {version}", f"only {FORMAT} can be judged")
    for key in sorted((old.keys() | new.keys()) - JUDGED_PARTS):
        if not is_ignored(key) and old.get(key) != new.get(key):
            yield Finding("the document", describe_change(key, old, new), UNKNOWN)


def _operation_differences(old: Document, new: Document) -> Iterator[Finding]:
    before, after = operations_of(old), operations_of(new)
    paths = {path for _, path in after}
    for key, was in before.items():
        now = after.get(key)
        if now is None:
            what = "operation" if key[1] in paths else "path"
            yield Finding(str(was), f"{what} removed", "deployed clients call it")
            continue
        yield from request_differences(was, now)
        yield from response_differences(was, now)
        yield from _security_differences(was, now)
        for each in sorted(was.others.keys() | now.others.keys()):
            if was.others.get(each) != now.others.get(each):
                yield Finding(str(was), describe_change(each, was.others, now.others), UNKNOWN)


def _security_differences(old: Operation, new: Operation) -> Iterator[Finding]:
    """Yield a finding if a request that was admitted in one of the old ways is admitted in none of the new ones."""
    if all(any(_admits(now, was) for now in new.security) for was in old.security):
        return
    change = "a token is needed now" if frozenset() in old.security else "another token, or more scopes, are needed now"
    yield Finding(str(old), change, "the server would refuse the requests of deployed clients")


def _admits(now: Alternative, was: Alternative) -> bool:
    held = dict(was)
    return all(scheme in held and scopes <= held[scheme] for scheme, scopes in now)
