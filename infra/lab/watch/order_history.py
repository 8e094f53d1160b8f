"""Collects the history of an order from all services, in chronological order.

Each service is queried twice: first for the events that it published about the order, then for how it handled the
events of all services.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import aiohttp

from marketplace_runtime.events import without_version

ServiceHistory = Mapping[str, Sequence[Mapping[str, Any]]]
"""The answer of one service's `/ops/story`."""
MAX_EVENTS_PER_REQUEST = 150
"""Maximum number of events in one request, because their ids are part of its URL."""
NEVER = datetime.max.replace(tzinfo=UTC)
"""The due time of a parked event, which waits for another event rather than a time."""
NO_HISTORY: ServiceHistory = {"said": [], "handled": [], "incidents": [], "waiting": [], "dead": [], "settled": []}


@dataclass(frozen=True, order=True)
class HistoryEntry:
    """One line of the history."""

    at: datetime
    service: str
    what: Literal["said", "handled", "failed", "duplicate", "waiting", "dead", "settled"]
    type: str
    """The type of the event that the line is about."""
    where: str = ""
    """The queue of the subscription that received the event. Empty for a published event."""
    detail: str = ""


async def collect_history(
    services: Mapping[str, str], token: str, subject: str
) -> tuple[list[HistoryEntry], list[str]]:
    """Return the history of a subject, and sentences about what is missing from it.

    `services` maps names to base URLs. `token` is an operator's.
    """
    headers = {"Authorization": f"Bearer {token}"}
    async with aiohttp.ClientSession(headers=headers, timeout=aiohttp.ClientTimeout(total=10)) as http:
        first, _ = await _query_services(http, services, subject, [])
        ids = sorted({id for history in first.values() for each in history["said"] for id in _ids(each)})
        histories, missing = await _query_services(http, services, subject, ids[:MAX_EVENTS_PER_REQUEST])
    if len(ids) > MAX_EVENTS_PER_REQUEST:
        missing.append(f"There are {len(ids)} events; only {MAX_EVENTS_PER_REQUEST} are shown.")
    return merge_histories(histories, is_complete=not missing), missing


def merge_histories(histories: Mapping[str, ServiceHistory], *, is_complete: bool = True) -> list[HistoryEntry]:
    """Return the history in chronological order.

    If the histories are complete, an event that no service published is a deadline. Otherwise a service whose history
    is missing may have published it.
    """
    published: dict[str, Mapping[str, Any]] = {}
    for each in (each for history in histories.values() for each in history["said"]):
        id, type = each["event_id"], each["type"]
        # An event may be published in several versions. Inboxes do not have the version that was handled.
        has_several_versions = id in published and published[id]["type"] != type
        published[id] = {**each, "type": without_version(type)} if has_several_versions else each
    unknown_type = "a deadline" if is_complete else "an event that is not shown"
    return sorted(
        entry
        for service, history in histories.items()
        for entry in _entries_of(service, history, published, unknown_type)
    )


def _entries_of(
    service: str, history: ServiceHistory, published: Mapping[str, Mapping[str, Any]], unknown_type: str
) -> Iterator[HistoryEntry]:
    others = (each for kind in ("settled", "incidents", "waiting", "dead") for each in history[kind])
    known = {each["event_id"]: each["type"] or "unknown" for each in others}
    known |= {id: each["type"] for id, each in published.items()}
    for each in history["said"]:
        cause = each["causation_id"]
        why = f"because of {known.get(cause, unknown_type)}" if cause else "a request from outside"
        pending = ", waits to be published" if each["pending"] else ""
        yield HistoryEntry(_at(each), service, "said", each["type"], detail=why + pending)
    for each in history["handled"]:
        type = known.get(each["event_id"], unknown_type)
        event = published.get(each["event_id"])
        delay = f"after {(_at(each) - _at(event)).total_seconds():.3f} s" if event else ""
        attempt = f"attempt {each['attempt']}" if each["attempt"] > 1 else ""
        yield HistoryEntry(
            _at(each), service, "handled", type, _queue(service, each), ", ".join(filter(None, (delay, attempt)))
        )
    for each in history["incidents"]:
        attempt = f"attempt {each['attempt']}: " if each["what"] == "failed" else ""
        yield HistoryEntry(_at(each), service, each["what"], each["type"], _queue(service, each), attempt + each["why"])
    for each in history["waiting"]:
        attempt = f"attempt {each['attempt']}, since " if each["attempt"] > 1 else ""
        due = datetime.fromisoformat(each["due"]) if each["due"] else NEVER
        yield HistoryEntry(due, service, "waiting", each["type"], _queue(service, each), attempt + each["why"])
    for each in history["dead"]:
        what = f"{each['reason']} after {each['attempts']}: {each['error']}"
        yield HistoryEntry(_at(each), service, "dead", each["type"] or "unknown", _queue(service, each), what)

    for each in history["settled"]:
        what = f"dead letter {each['id']} {each['action']} by {each['by']}"
        detail = f"{what}: {each['note']}" if each["note"] else what
        yield HistoryEntry(_at(each), service, "settled", each["type"] or "unknown", _queue(service, each), detail)


async def _query_services(
    http: aiohttp.ClientSession, services: Mapping[str, str], subject: str, ids: Sequence[str]
) -> tuple[dict[str, ServiceHistory], list[str]]:
    async def query_service(name: str, url: str) -> ServiceHistory | str:
        try:
            query = [("subject", subject), *(("event", id) for id in ids)]
            async with http.get(f"{url}/ops/story", params=query) as answer:
                if answer.status != 200:
                    return f"{name} answered with status {answer.status}: its part of the history is missing."
                history: ServiceHistory = await answer.json()
                return history
        except (aiohttp.ClientError, TimeoutError):
            return f"{name} does not answer: its part of the history is missing."

    answers = await asyncio.gather(*(query_service(name, url) for name, url in services.items()))
    histories = {
        name: NO_HISTORY if isinstance(each, str) else each for name, each in zip(services, answers, strict=True)
    }
    return histories, [each for each in answers if isinstance(each, str)]


def _ids(published: Mapping[str, Any]) -> list[str]:
    return [published["event_id"], *([published["causation_id"]] if published["causation_id"] else [])]


def _queue(service: str, each: Mapping[str, Any]) -> str:
    return f"{service}.{each['subscription']}"


def _at(each: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(each["at"])
