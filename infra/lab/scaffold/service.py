"""Plans a new service: its modules, its tests, and its entries in pyproject.toml."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from string import Template
from uuid import UUID

from contracts import Event
from contracts.gate import golden_schema
from infra.lab.docs.examples import example
from infra.lab.scaffold.event import add_event, tidying
from infra.lab.scaffold.names import EventName, check_service, known, services_in
from infra.lab.scaffold.plan import Plan, Refused

MAPS = ("ARCHITECTURE.md", "docs/overview.svg")
ROOMS = Path(__file__).parent / "rooms"


@dataclass(frozen=True)
class Heard:
    """An event that the new service will subscribe to, and the names derived from it."""

    event: type[Event]

    @property
    def name(self) -> EventName:
        return EventName.parse(self.event.type)

    @property
    def handler(self) -> str:
        return f"note_{self.name.snake}" + (f"_v{self.name.version}" if self.name.version > 1 else "")

    @property
    def constant(self) -> str:
        return self.handler.removeprefix("note_").upper()

    @property
    def example(self) -> str:
        """Python source of a constant with an example of this event, for a test."""
        body = json.dumps(example(golden_schema(self.event)), indent=4, ensure_ascii=False)
        return f'{self.constant} = {self.event.__name__}.model_validate_json("""{body}""")'


def new_service(
    checkout: Path,
    name: str,
    *,
    subscribes: Sequence[str],
    publishes: Sequence[str] = (),
    http: bool = False,
    history: bool = False,
    events: Sequence[type[Event]],
) -> Plan:
    """Return the plan for a service that counts the events that it receives. `events` are all existing events.

    `subscribes` and `publishes` are event types. With `history`, it first receives
    the events that were published before it existed. Raises `Refused` if a name is not possible, or if it would not
    subscribe to any event.
    """
    check_service(checkout, name)
    types = [event.type for event in events]
    by_type = {event.type: event for event in events if not event.internal}
    heard = [Heard(by_type[type]) for type in dict.fromkeys(_known(text, by_type) for text in subscribes)]
    if not heard:
        raise Refused(f"{name} would not subscribe to any event.", "Name an event: --hears checkout.order-confirmed")
    said = [_own(name, text) for text in dict.fromkeys(publishes)]
    plan = Plan(checkout)
    for each in said:
        add_event(plan, each, types=types, key=heard[0].event.key, key_type=_annotation(heard[0].event))
        types.append(each.type)
    _add_rooms(plan, _words(name, heard, said, http=http, history=history), http=http)
    plan.files["pyproject.toml"] = _enlisted(plan.read("pyproject.toml"), services_in(checkout), name)
    # unchanged here; the last command updates them, and a failure restores them
    plan.files |= {each: plan.read(each) for each in MAPS}
    plan.then += [*tidying(plan), ("contracts", "write"), ("infra.cli", "events", "map", "--write")]
    return plan


def _known(text: str, by_type: Mapping[str, type[Event]]) -> str:
    """Return the type of an existing event, in its newest version if `text` names none. Raises `Refused` if unknown."""
    if text in by_type:
        return text
    versions = known(list(by_type), EventName.parse(text)) if not text.rpartition(".v")[2].isdecimal() else []
    if not versions:
        words = {*re.split(r"[.-]", text)}
        near = [each for each in sorted(by_type) if words & {*re.split(r"[.-]", each)}]
        raise Refused(
            f"There is no event {text}.",
            f"Perhaps: {', '.join(near[:5])}. All: ./marketplace events map"
            if near
            else "All: ./marketplace events map",
        )
    return max(versions, key=lambda each: EventName.parse(each).version)


def _own(service: str, text: str) -> EventName:
    name = EventName.parse(text)
    if name.publisher != service:
        raise Refused(
            f"{service} can't publish {text}: the names of its events begin with its own name.",
            f"Such as {service}.{name.name}",
        )
    return name


def _annotation(event: type[Event]) -> str:
    field = event.model_fields[event.key]
    return "UUID" if field.annotation is UUID else "PersonId" if field.metadata else "str"


def _words(
    name: str, heard: Sequence[Heard], said: Sequence[EventName], *, http: bool, history: bool
) -> dict[str, str]:
    """Return the values of the templates' placeholders. The formatter sorts imports and wraps lines later."""
    key = heard[0].event.key
    own = [(f"contracts.{name}", each.class_name) for each in said]
    contracts = [(f"contracts.{each.event.publisher}", each.event.__name__) for each in heard]
    classes = [each.class_name for each in said]
    grouped = {publisher: list(of) for publisher, of in groupby(sorted(heard, key=_publisher), _publisher)}
    return {
        "name": name,
        "Title": name.capitalize(),
        "heard_names": ", ".join(each.event.type for each in heard),
        "said_names": ", ".join(each.type for each in said) or "nothing",
        "publishes": ", ".join(classes),
        "routes": "    routes=api.router,\n" if http else "",
        "reading": (ROOMS / "reading.txt").read_text(encoding="utf-8") if http else "",
        "imports": _imports([*contracts, *own]),
        "event_imports": _imports(contracts),
        "rooms": "api, store" if http else "store",
        "handler_names": ", ".join(each.handler for each in heard),
        "handlers": "\n\n".join(_handler(each, said if each.event.key == key else []) for each in heard),
        "subscriptions": "\n".join(_subscription(*each, history=history) for each in grouped.items()),
        "examples": "\n".join(each.example for each in heard),
        "constants": ", ".join(each.constant for each in heard),
        "by_subscription": ", ".join(
            f'"{publisher}": [{", ".join(each.constant for each in of)}]' for publisher, of in grouped.items()
        ),
        "said": f'[{", ".join(classes)}] if event.key == "{key}" else []' if said else "[]",
    }


def _publisher(heard: Heard) -> str:
    return heard.event.publisher


def _handler(heard: Heard, said: Sequence[EventName]) -> str:
    key = heard.event.key
    publishing = [f"        tx.publish({each.class_name}({key}=event.{key}))" for each in said]
    does = "\n".join(["    if known.count_event():", *publishing])
    declared = ", ".join(each.class_name for each in said)
    return f"""@publishes({declared})
async def {heard.handler}(event: {heard.event.__name__}, tx: Transaction) -> None:
    \"\"\"Count the event \"{heard.name.name.replace("-", " ")}\" for its subject.\"\"\"
    known = await _known(event.subject, tx)
{does if publishing else "    known.count_event()"}
"""


def _subscription(publisher: str, heard: Sequence[Heard], *, history: bool) -> str:
    reactions = "".join(f"on({each.event.__name__}, {each.handler}, load=store.load), " for each in heard)
    options = 'history="first"' if history else ""
    return f'        subscription("{publisher}", {reactions}{options}),'


def _imports(names: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"from {module} import {name}" for module, name in names)


def _add_rooms(plan: Plan, words: Mapping[str, str], *, http: bool) -> None:
    name = words["name"]
    rooms = ["__init__", "__main__", "domain", "store", "handlers", "service", *(["api"] if http else [])]
    files = {f"{name}/{room}.py": f"{room}.py.txt" for room in rooms} | {
        f"{name}/migrations/versions/0001_known.py": "migration.txt",
        f"tests/unit/{name}/test_{name}_handlers.py": "unit_test.txt",
        f"tests/integration/{name}/test_{name}_conformance.py": "conformance_test.txt",
    }
    for path, template in files.items():
        plan.files[path] = Template((ROOMS / template).read_text(encoding="utf-8")).substitute(words)


def _enlisted(project: str, services: Sequence[str], name: str) -> str:
    """Return the text of pyproject.toml with the new service in each list of all services."""
    together = ", ".join(f'"{each}"' for each in services)
    if f"services = [{together}]" not in project:
        raise Refused("pyproject.toml lists services in another form than expected.", "Write each list on one line.")
    return project.replace(together, f'{together}, "{name}"')
