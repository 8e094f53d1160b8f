"""Changes one field of the evidence at a time, each to another plausible value."""

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from pydantic import ValidationError

from contracts.registry import BY_TYPE
from infra.lab.audit.evidence import Evidence
from infra.lab.audit.log import Log, PublishedEvent

Path = tuple[Any, ...]
WORDS = (
    *("b", "on-sale", "sold-out", "discontinued", "price-changed", "customer", "stock-rejected", "no-carrier"),
    *("undeliverable", "no-contact", "order-delivered", "order-confirmed", "gone", "failing", "failed", "sent"),
    *("open", "confirmed", "cancelled", "delivered", "placed", "taken", "released", "captured", "none", "refund"),
)
"""Values of fields that hold words."""


def others(value: Any) -> Iterator[Any]:
    """Yield other values of the same kind."""
    match value:
        case bool():
            yield not value
        case int():
            yield from (value + 1, value - 1)
        case float():
            yield value + 3600
        case None:
            yield "00000000-0000-7000-8000-0000000000ee"
        case datetime():
            yield value + timedelta(hours=1)
        case UUID():
            yield UUID(int=value.int + 1)
        case bytes():
            yield value + b"x"
        case str() if value == "EUR":
            yield "USD"
        case str() if _is_time(value):
            yield (datetime.fromisoformat(value) + timedelta(hours=1)).isoformat()
        case str() if len(value) == 36 and value.count("-") == 4:
            yield value[:-1] + ("e" if value[-1] != "e" else "d")
        case str():
            yield from (word for word in WORDS if word != value)
            yield f"{value}x"


def changed_events(found: Evidence) -> Iterator[tuple[str, str, Evidence]]:
    """Yield for each field of each event the event's type, the field, and evidence in which it differs in all versions.

    The outbox and all copies have the same body, as if the service had published it so.
    """
    for key, event in found.log.events.items():
        contract = BY_TYPE[event.type]
        body_of_event = contract.model_validate_json(event.raw).model_dump(mode="json", exclude_none=True)
        for path, value in leaves(body_of_event):
            bodies = [changed(json.loads(event.raw), path, other) for other in others(value)]
            body = next((each for each in bodies if _fits(contract, each)), bodies[0])
            raw = json.dumps(body).encode()
            digest = hashlib.sha256(raw).digest()
            other = replace(event, raw=raw, digests={digest})
            messaging_tables = found.messaging_tables[contract.publisher]
            messaging_tables = replace(messaging_tables, outbox={**messaging_tables.outbox, key: digest})
            yield (
                event.type,
                ".".join(str(part) for part in path if not isinstance(part, int)),
                replace(
                    found,
                    log=Log({**found.log.events, key: other}, found.log.invalid_messages),
                    messaging_tables={**found.messaging_tables, contract.publisher: messaging_tables},
                ),
            )


def changed_records(found: Evidence) -> Iterator[tuple[str, Evidence]]:
    """Yield for each field outside of events its path, and evidence in which it differs."""
    for path, value in leaves(found):
        if path[0] in ("log", "unlogged", "unread"):
            continue
        other = next(others(value))
        yield name_of(path), changed(found, path, other)


def name_of(path: Path) -> str:
    """Return the names of the fields on the path, without the keys of rows."""
    first, *rest = path
    return ".".join([first, *(str(part) for part in rest if isinstance(part, str) and not _is_key(part))])


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every value that contains no others, with its path."""
    match value:
        case PublishedEvent():
            return
        case _ if is_dataclass(value) and not isinstance(value, type):
            for each in fields(value):
                yield from leaves(getattr(value, each.name), (*path, each.name))
        case Mapping():
            for key, each in value.items():
                if not (path and each == path[-1]):  # a row's own key
                    yield from leaves(each, (*path, key))
        case list() | tuple():
            for number, each in enumerate(value):
                yield from leaves(each, (*path, number))
        case set() | frozenset():
            return
        case _:
            yield path, value


def changed(value: Any, path: Path, other: Any) -> Any:
    """Return a copy with `other` at the end of `path`."""
    if not path:
        return other
    first, rest = path[0], path[1:]
    if is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{first: changed(getattr(value, first), rest, other)})
    if isinstance(value, tuple):
        return (*value[:first], changed(value[first], rest, other), *value[first + 1 :])
    made = copy.copy(value) if isinstance(value, list) else dict(value)
    made[first] = changed(value[first], rest, other)
    return made


def _fits(contract: Any, body: Any) -> bool:
    try:
        contract.model_validate_json(json.dumps(body))
    except ValidationError:
        return False
    return True


def _is_key(text: str) -> bool:
    return text.startswith("0000") or text in KEYS or text.isdigit() or (text[0] == "w" and text[1:].isdigit())


KEYS = frozenset({"ada", "ben", "sam", "max", "cart", "catalog", "checkout", "delivery", "notifications"})


def _is_time(text: str) -> bool:
    return len(text) > 18 and text[4] == "-" and text[10] == "T"
