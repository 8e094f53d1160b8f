"""Computes the plan: how the broker differs from what the services are wired for, and what to do about it."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from marketplace_runtime.topology.declaration import Definitions

QUEUE_POLICIES = {"all", "queues", "quorum_queues"}
"""Values of a policy's `apply-to` that include our queues. The last one exists since 3.12."""


class Remedy(StrEnum):
    """Says what has to be done about a difference."""

    SAFE = "safe"
    POLICY = "policy only"
    NEW_QUEUE = "needs a new queue"
    BY_HAND = "by hand"


ADVICE = {
    Remedy.SAFE: "`./marketplace topology apply` does it.",
    Remedy.POLICY: "`./marketplace topology apply` does it; no queue is touched.",
    Remedy.NEW_QUEUE: (
        "Its properties cannot change. For a queue, rename the subscription in service.py, or delete the queue once it "
        "is empty. Delete an exchange while its publisher is stopped; the outbox keeps the events. Then apply."
    ),
    Remedy.BY_HAND: "It belongs to somebody else: remove it, or give it a lower priority than ours.",
}


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference between the broker and what is wanted."""

    label: str
    """The kind and name of the object, such as `queue cart.orders`."""
    problem: str
    """How the object differs, such as `missing`."""
    remedy: Remedy
    surplus: Mapping[str, Any] | None = None
    """The binding to remove, if the difference is a binding that is not wanted any more."""

    @property
    def is_missing(self) -> bool:
        return self.problem == "missing"

    @property
    def can_be_declared(self) -> bool:
        """Return whether importing the wanted definitions removes the difference."""
        return self.remedy in (Remedy.SAFE, Remedy.POLICY) and self.surplus is None

    def __str__(self) -> str:
        return f"{self.label}: {self.problem}"


@dataclass(frozen=True, slots=True)
class _Kind:
    name: str
    identity: tuple[str, ...]
    compared: tuple[str, ...]
    remedy: Remedy
    """What to do about a changed object. A missing one is safe to add."""


KINDS = (
    _Kind("users", ("name",), ("tags",), Remedy.SAFE),
    _Kind("permissions", ("user",), ("configure", "write", "read"), Remedy.SAFE),
    _Kind("exchanges", ("name",), ("type", "durable", "auto_delete", "internal", "arguments"), Remedy.NEW_QUEUE),
    _Kind("queues", ("name",), ("durable", "auto_delete", "arguments"), Remedy.NEW_QUEUE),
    _Kind("bindings", ("source", "destination_type", "destination", "routing_key"), (), Remedy.SAFE),
    _Kind("policies", ("name",), ("pattern", "apply-to", "definition", "priority"), Remedy.POLICY),
)


def differences(wanted: Definitions, live: Definitions) -> list[Difference]:
    """Return what the broker lacks, has with other properties, or has in addition; empty if nothing differs.

    An import does not report this: it ignores changed arguments, and never removes anything.
    """
    found = [each for kind in KINDS for each in _compare(kind, wanted, live)]
    return [*found, *_surplus(wanted, live), *_overruling(wanted, live)]


def format_plan(found: list[Difference]) -> str:
    """Return the differences as text for people, grouped by what has to be done."""
    lines = []
    for remedy in Remedy:
        some = [each for each in found if each.remedy is remedy]
        if some:
            lines += [f"{remedy}:", *(f"  {each}" for each in some), f"  {ADVICE[remedy]}"]
    return "\n".join(lines) or "Nothing differs."


def _compare(kind: _Kind, wanted: Definitions, live: Definitions) -> Iterator[Difference]:
    existing = {tuple(each[part] for part in kind.identity): each for each in live[kind.name]}
    for each in wanted[kind.name]:
        key = tuple(each[part] for part in kind.identity)
        label = _label(kind.name, each)
        if key not in existing:
            yield Difference(label, "missing", Remedy.POLICY if kind.name == "policies" else Remedy.SAFE)
            continue
        for part in kind.compared:
            if existing[key].get(part) != each[part]:
                yield Difference(label, f"{part} is {existing[key].get(part)!r}, wanted {each[part]!r}", kind.remedy)


def _surplus(wanted: Definitions, live: Definitions) -> Iterator[Difference]:
    """Yield bindings to our queues and exchanges that no service table requires.

    Does not report bindings from our exchanges to queues of others, nor bindings to the log, which takes events of any
    publisher.
    """
    identity = next(kind.identity for kind in KINDS if kind.name == "bindings")
    declared = {tuple(each[part] for part in identity) for each in wanted["bindings"]}
    ours = {("queue", each["name"]) for each in wanted["queues"] if not _is_stream(each)}
    ours |= {("exchange", each["name"]) for each in wanted["exchanges"]}
    for each in live["bindings"]:
        key = tuple(each[part] for part in identity)
        if key not in declared and each["source"] and (each["destination_type"], each["destination"]) in ours:
            yield Difference(_label("bindings", each), "not wanted any more", Remedy.SAFE, each)


def _is_stream(queue: Mapping[str, Any]) -> bool:
    return bool(queue["arguments"].get("x-queue-type") == "stream")


def _overruling(wanted: Definitions, live: Definitions) -> Iterator[Difference]:
    """Yield foreign policies that take ours out of effect. Of the policies that match a queue, only one applies."""
    own = {each["name"] for each in wanted["policies"]}
    for each in live["policies"]:
        if each["name"] in own or each["apply-to"] not in QUEUE_POLICIES:
            continue
        for ours in wanted["policies"]:
            queues = [queue["name"] for queue in wanted["queues"] if re.search(ours["pattern"], queue["name"])]
            overruled = [
                name for name in queues if each["priority"] >= ours["priority"] and re.search(each["pattern"], name)
            ]
            if overruled:
                problem = f"takes policy {ours['name']} out of effect for {', '.join(overruled)}"
                yield Difference(f"policy {each['name']}", problem, Remedy.BY_HAND)


def _label(kind: str, each: Mapping[str, Any]) -> str:
    if kind == "bindings":
        to = f"{each['destination_type']} {each['destination']}"
        return f"binding {each['source']} -> {to} {each['routing_key']}".rstrip()
    singular = "policy" if kind == "policies" else kind.removesuffix("s")
    return f"{singular} {each.get('name') or each['user']}"
