"""Computes from the service tables what the broker must have, as definitions to import.

Services declare nothing, as they have no permission to. Works on RabbitMQ 3.10 and 4.x.
"""

import base64
import hashlib
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from marketplace_runtime.events import Naming

Definitions = dict[str, Any]

VHOST = "/"
LOG_ARGUMENTS = {
    "x-queue-type": "stream",
    "x-max-age": "7D",
    "x-max-length-bytes": 2_000_000_000,
    "x-stream-max-segment-size-bytes": 20_000_000,
}
QUORUM_ARGUMENTS = {"x-queue-type": "quorum"}
ORDERED_ARGUMENTS = QUORUM_ARGUMENTS | {"x-single-active-consumer": True}
NO_DELIVERY_LIMIT = 2**31
"""Effectively unlimited, on 3.10 and 4.x alike: the runtime quarantines poison messages itself."""


@dataclass(frozen=True, slots=True)
class Wiring:
    """The part of a service table (`service.py`) that concerns the broker."""

    service: str
    subscriptions: Mapping[str, Sequence[str]]
    """Event types that each subscription receives from the broker."""
    ordered: Sequence[str] = ()
    """Subscriptions that only one replica at a time consumes, in the order of the queue."""


def definitions(services: Sequence[Wiring], passwords: Mapping[str, str], naming: Naming) -> Definitions:
    """Return RabbitMQ definitions of the users, permissions, exchanges, queues, bindings and policies of all services.

    The auditor is among the users if there is a password for it. It reads the log, and monitors the lengths of queues.
    """
    log = naming.log_stream
    wanted: Definitions = {
        "vhosts": [{"name": VHOST}],
        "users": [_user(each.service, passwords[each.service]) for each in services],
        "permissions": [_permission(each, naming) for each in services],
        "exchanges": [],
        "queues": [_queue(log, LOG_ARGUMENTS)],
        "bindings": [],
        "policies": [],
    }
    for each in services:
        dead_letters, events = naming.dead_letter_name(each.service), naming.exchange(each.service)
        wanted["exchanges"] += [_exchange(events, "topic"), _exchange(dead_letters, "fanout")]
        wanted["queues"].append(_queue(dead_letters, QUORUM_ARGUMENTS))
        wanted["bindings"] += [_binding(dead_letters, dead_letters, ""), _binding(events, log, "#")]
        for name, types in each.subscriptions.items():
            queue = naming.queue(each.service, name)
            wanted["queues"].append(_queue(queue, ORDERED_ARGUMENTS if name in each.ordered else QUORUM_ARGUMENTS))
            wanted["bindings"] += [_binding(naming.exchange(type.split(".")[0]), queue, type) for type in types]
        wanted["policies"] += _policies(each, naming)
    if naming.auditor in passwords:
        wanted["users"].append(_user(naming.auditor, passwords[naming.auditor], "monitoring"))
        wanted["permissions"].append(
            {"user": naming.auditor, "vhost": VHOST, "configure": "^$", "write": "^$", "read": _exactly(log)}
        )
    return wanted


def _user(name: str, password: str, *tags: str) -> dict[str, Any]:
    salt = os.urandom(4)
    digest = base64.b64encode(salt + hashlib.sha256(salt + password.encode()).digest()).decode()
    return {
        "name": name,
        "password_hash": digest,
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": list(tags),
    }


def _permission(wiring: Wiring, naming: Naming) -> dict[str, str]:
    """Return a service's permissions: to configure nothing, write to its own exchanges, and read its own queues.

    A service with subscriptions may also read the log, from which they are replayed.
    """
    own = rf"^{wiring.service}\."
    readable = rf"{own}({'|'.join([naming.dead_letters, *sorted(wiring.subscriptions)])})$"
    return {
        "user": wiring.service,
        "vhost": VHOST,
        "configure": "^$",
        "write": rf"{own}({naming.events}|{naming.dead_letters})$",
        "read": rf"{readable}|{_exactly(naming.log_stream)}" if wiring.subscriptions else readable,
    }


def _exactly(name: str) -> str:
    return rf"^{re.escape(name)}$"


def _policies(wiring: Wiring, naming: Naming) -> list[dict[str, Any]]:
    dead_letters = naming.dead_letter_name(wiring.service)
    subscriptions = "|".join(sorted(wiring.subscriptions)) or "none"  # "none": no queue has this name
    limit = {"delivery-limit": NO_DELIVERY_LIMIT}
    # Our code never rejects a message. If one is rejected all the same, the broker keeps it as a dead letter.
    broker_dead_lettering = {"dead-letter-exchange": dead_letters, "dead-letter-strategy": "at-most-once"}
    return [
        _policy(wiring.service, rf"^{wiring.service}\.({subscriptions})$", limit | broker_dead_lettering),
        _policy(dead_letters, _exactly(dead_letters), limit),
    ]


def _policy(name: str, pattern: str, definition: dict[str, Any]) -> dict[str, Any]:
    return {
        "vhost": VHOST,
        "name": name,
        "pattern": pattern,
        "apply-to": "queues",
        "definition": definition,
        "priority": 0,
    }


def _exchange(name: str, type: str) -> dict[str, Any]:
    return {
        "vhost": VHOST,
        "name": name,
        "type": type,
        "durable": True,
        "auto_delete": False,
        "internal": False,
        "arguments": {},
    }


def _queue(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    return {"vhost": VHOST, "name": name, "durable": True, "auto_delete": False, "arguments": dict(arguments)}


def _binding(source: str, queue: str, routing_key: str) -> dict[str, Any]:
    return {
        "vhost": VHOST,
        "source": source,
        "destination": queue,
        "destination_type": "queue",
        "routing_key": routing_key,
        "arguments": {},
    }
