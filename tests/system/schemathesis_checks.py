"""Hooks for schemathesis, which loads this file by SCHEMATHESIS_HOOKS."""

from typing import Any

import schemathesis

PROBLEM = "application/problem+json"


@schemathesis.hook
def before_load_schema(_context: Any, raw_schema: dict[str, Any]) -> None:
    """Remove Request-Timeout: schemathesis would send 0, and every request would be answered with 504."""
    for operation in (each for path in raw_schema["paths"].values() for each in path.values()):
        operation["parameters"] = [each for each in operation["parameters"] if each["name"] != "Request-Timeout"]


@schemathesis.check
def errors_are_problems(_ctx: Any, response: Any, _case: Any) -> None:
    """Check errors against RFC 9457: the media type, and the answer's status in the document."""
    if response.status_code < 400:
        return
    media_types = response.headers.get("content-type", [])
    assert media_types == [PROBLEM], f"{response.status_code} is answered as {media_types}"
    document = response.json()
    assert document["status"] == response.status_code, f"{response.status_code} says {document}"
    assert document["type"].startswith("urn:problem:marketplace:"), document["type"]
