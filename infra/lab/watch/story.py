"""Collects the history of an order from all services, in the order of time.

Each service is queried twice: first for the events that it published about the order, then for how it handled the
events of all services.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import aiohttp

from marketplace_runtime.events import name_of

Tale = Mapping[str, Sequence[Mapping[str, Any]]]
"""The answer of one service's `/ops/story`."""
AT_ONCE = 150
"""Maximum number of events in one request, because their ids are part of its URL."""
NEVER = datetime.max.replace(tzinfo=UTC)
"""The due time of a parked event, which waits for another event rather than a time."""
NOTHING: Tale = {"said": [], "handled": [], "incidents": [], "waiting": [], "dead": [], "settled": []}


@dataclass(frozen=True, order=True)
class Moment:
    """One line of the history."""

    at: datetime
    service: str
    what: Literal["said", "handled", "failed", "duplicate", "waiting", "dead", "settled"]
    type: str
    """The type of the event that the line is about."""
    where: str = ""
    """The queue of the subscription that received the event. Empty for a published event."""
    detail: str = ""


async def tell(services: Mapping[str, str], token: str, subject: str) -> tuple[list[Moment], list[str]]:
    """Return the history of a subject, and sentences about what is missing from it.

    `services` maps names to base URLs. `token` is an operator's.
    """
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=10)) as http:
        first, _ = await _all(http, services, subject, [])
        ids = sorted({id for tale in first.values() for each in tale["said"] for id in _ids(each)})
        tales, missing = await _all(http, services, subject, ids[:AT_ONCE])
    if len(ids) > AT_ONCE:
        missing.append(f"There are {len(ids)} events; only {AT_ONCE} are shown.")
    return moments(tales, whole=not missing), missing


def moments(tales: Mapping[str, Tale], *, whole: bool = True) -> list[Moment]:
    """Return the history in the order of time.

    If it is `whole`, an event that no service published is a deadline. Otherwise it may be one of a missing service.
    """
    said: dict[str, Mapping[str, Any]] = {}
    for each in (each for tale in tales.values() for each in tale["said"]):
        id, type = each["event_id"], each["type"]
        in_versions = id in said and said[id]["type"] != type  # inboxes do not have the version that was handled
        said[id] = {**each, "type": name_of(type)} if in_versions else each
    unsaid = "a deadline" if whole else "an event that is not shown"
    return sorted(moment for service, tale in tales.items() for moment in _moments(service, tale, said, unsaid))


def _moments(service: str, tale: Tale, said: Mapping[str, Mapping[str, Any]], unsaid: str) -> Iterator[Moment]:
    told = (each for kind in ("settled", "incidents", "waiting", "dead") for each in tale[kind])
    known = {each["event_id"]: each["type"] or "unknown" for each in told}
    known |= {id: each["type"] for id, each in said.items()}
    for each in tale["said"]:
        cause = each["causation_id"]
        why = f"because of {known.get(cause, unsaid)}" if cause else "a request from outside"
        pending = ", waits to be published" if each["pending"] else ""
        yield Moment(_at(each), service, "said", each["type"], detail=why + pending)
    for each in tale["handled"]:
        type = known.get(each["event_id"], unsaid)
        after = said.get(each["event_id"])
        delay = f"after {(_at(each) - _at(after)).total_seconds():.3f} s" if after else ""
        attempt = f"attempt {each['attempt']}" if each["attempt"] > 1 else ""
        yield Moment(
            _at(each), service, "handled", type, _queue(service, each), ", ".join(filter(None, (delay, attempt)))
        )
    for each in tale["incidents"]:
        attempt = f"attempt {each['attempt']}: " if each["what"] == "failed" else ""
        yield Moment(_at(each), service, each["what"], each["type"], _queue(service, each), attempt + each["why"])
    for each in tale["waiting"]:
        attempt = f"attempt {each['attempt']}, since " if each["attempt"] > 1 else ""
        due = datetime.fromisoformat(each["due"]) if each["due"] else NEVER
        yield Moment(due, service, "waiting", each["type"], _queue(service, each), attempt + each["why"])
    for each in tale["dead"]:
        what = f"{each['reason']} after {each['attempts']}: {each['error']}"
        yield Moment(_at(each), service, "dead", each["type"] or "unknown", _queue(service, each), what)

    for each in tale["settled"]:
        what = f"dead letter {each['id']} {each['action']} by {each['by']}"
        detail = f"{what}: {each['note']}" if each["note"] else what
        yield Moment(_at(each), service, "settled", each["type"] or "unknown", _queue(service, each), detail)


async def _all(
    http: aiohttp.ClientSession, services: Mapping[str, str], subject: str, ids: Sequence[str]
) -> tuple[dict[str, Tale], list[str]]:
    async def one(name: str, url: str) -> Tale | str:
        try:
            query = [("subject", subject), *(("event", id) for id in ids)]
            async with http.get(f"{url}/ops/story", params=query) as answer:
                if answer.status != 200:
                    return f"{name} answered with status {answer.status}: its part of the history is missing."
                tale: Tale = await answer.json()
                return tale
        except (aiohttp.ClientError, TimeoutError):
            return f"{name} does not answer: its part of the history is missing."

    answers = await asyncio.gather(*(one(name, url) for name, url in services.items()))
    tales = {name: NOTHING if isinstance(each, str) else each for name, each in zip(services, answers, strict=True)}
    return tales, [each for each in answers if isinstance(each, str)]


def _ids(said: Mapping[str, Any]) -> list[str]:
    return [said["event_id"], *([said["causation_id"]] if said["causation_id"] else [])]


def _queue(service: str, each: Mapping[str, Any]) -> str:
    return f"{service}.{each['subscription']}"


def _at(each: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(each["at"])
