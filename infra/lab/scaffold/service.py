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
from infra.lab.scaffold.event import add_event, formatting_commands
from infra.lab.scaffold.names import EventName, check_service, find_versions, services_in
from infra.lab.scaffold.plan import Plan, Refused

OVERVIEW_FILES = ("ARCHITECTURE.md", "docs/overview.svg")
TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class SubscribedEvent:
    """An event that the new service will subscribe to, and the names derived from it.

    The handler of `order-placed` is called `note_order_placed`: it counts the event.
    """

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

    `subscribes` and `publishes` are event types. With `history`, the service first receives the events that were
    published before it existed. Raises `Refused` if a name is not possible, or if the service would not subscribe to
    any event.
    """
    check_service(checkout, name)
    types = [event.type for event in events]
    by_type = {event.type: event for event in events if not event.internal}
    subscribed = [
        SubscribedEvent(by_type[type]) for type in dict.fromkeys(_resolve_type(text, by_type) for text in subscribes)
    ]
    if not subscribed:
        raise Refused(
            f"{name} would not subscribe to any event.", "Name an event: --subscribes checkout.order-confirmed"
        )
    published = [_parse_own_event(name, text) for text in dict.fromkeys(publishes)]
    plan = Plan(checkout)
    for each in published:
        add_event(plan, each, types=types, key=subscribed[0].event.key, key_type=_annotation(subscribed[0].event))
        types.append(each.type)
    _add_modules(plan, _placeholder_values(name, subscribed, published, http=http, history=history), http=http)
    plan.files["pyproject.toml"] = _add_to_service_lists(plan.read("pyproject.toml"), services_in(checkout), name)
    # The last command updates these files. They are in the plan so that they are restored if a command fails.
    plan.files |= {each: plan.read(each) for each in OVERVIEW_FILES}
    plan.commands += [*formatting_commands(plan), ("contracts", "write"), ("infra.cli", "events", "map", "--write")]
    return plan


def _resolve_type(text: str, by_type: Mapping[str, type[Event]]) -> str:
    """Return the type of an existing event, in its newest version if `text` names none. Raises `Refused` if unknown."""
    if text in by_type:
        return text
    versions = find_versions(list(by_type), EventName.parse(text)) if not text.rpartition(".v")[2].isdecimal() else []
    if not versions:
        words = {*re.split(r"[.-]", text)}
        similar = [each for each in sorted(by_type) if words & {*re.split(r"[.-]", each)}]
        raise Refused(
            f"There is no event {text}.",
            f"Perhaps: {', '.join(similar[:5])}. All: ./marketplace events map"
            if similar
            else "All: ./marketplace events map",
        )
    return max(versions, key=lambda each: EventName.parse(each).version)


def _parse_own_event(service: str, text: str) -> EventName:
    name = EventName.parse(text)
    if name.publisher != service:
        raise Refused(
            f"{service} can't publish {text}: the names of its events begin with its own name.",
            f"Such as {service}.{name.name}",
        )
    return name


def _annotation(event: type[Event]) -> str:
    field = event.model_fields[event.key]
    # A PersonId is a str with a pattern, which is in the metadata.
    return "UUID" if field.annotation is UUID else "PersonId" if field.metadata else "str"


def _placeholder_values(
    name: str, subscribed: Sequence[SubscribedEvent], published: Sequence[EventName], *, http: bool, history: bool
) -> dict[str, str]:
    """Return the values of the templates' placeholders. The formatter sorts imports and wraps lines later."""
    key = subscribed[0].event.key
    own = [(f"contracts.{name}", each.class_name) for each in published]
    contracts = [(f"contracts.{each.event.publisher}", each.event.__name__) for each in subscribed]
    classes = [each.class_name for each in published]
    grouped = {publisher: list(of) for publisher, of in groupby(sorted(subscribed, key=_publisher), _publisher)}
    return {
        "name": name,
        "Title": name.capitalize(),
        "subscribed_names": ", ".join(each.event.type for each in subscribed),
        "published_names": ", ".join(each.type for each in published) or "nothing",
        "publishes": ", ".join(classes),
        "routes": f'    routes=api.router,\n    exposed=[caller("GET /{name}/{{subject}}")],\n' if http else "",
        "caller": ", caller" if http else "",
        "reading": (TEMPLATES / "reading.txt").read_text(encoding="utf-8") if http else "",
        "imports": _imports([*contracts, *own]),
        "event_imports": _imports(contracts),
        "modules": "api, store" if http else "store",
        "handler_names": ", ".join(each.handler for each in subscribed),
        "handlers": "\n\n".join(_handler(each, published if each.event.key == key else []) for each in subscribed),
        "subscriptions": "\n".join(_subscription(*each, history=history) for each in grouped.items()),
        "examples": "\n".join(each.example for each in subscribed),
        "constants": ", ".join(each.constant for each in subscribed),
        "by_subscription": ", ".join(
            f'"{publisher}": [{", ".join(each.constant for each in of)}]' for publisher, of in grouped.items()
        ),
        "expected": f'[{", ".join(classes)}] if event.key == "{key}" else []' if published else "[]",
    }


def _publisher(subscribed: SubscribedEvent) -> str:
    return subscribed.event.publisher


def _handler(subscribed: SubscribedEvent, published: Sequence[EventName]) -> str:
    key = subscribed.event.key
    publishing = [f"        tx.publish({each.class_name}({key}=event.{key}))" for each in published]
    body = "\n".join(["    if event_count.count_event():", *publishing])
    declared = ", ".join(each.class_name for each in published)
    return f"""@publishes({declared})
async def {subscribed.handler}(event: {subscribed.event.__name__}, tx: Transaction) -> None:
    \"\"\"Count the event \"{subscribed.name.name.replace("-", " ")}\" for its subject.\"\"\"
    event_count = await _event_count(event.subject, tx)
{body if publishing else "    event_count.count_event()"}
"""


def _subscription(publisher: str, subscribed: Sequence[SubscribedEvent], *, history: bool) -> str:
    reactions = "".join(f"on({each.event.__name__}, {each.handler}, load=store.load), " for each in subscribed)
    options = 'history="first"' if history else ""
    return f'        subscription("{publisher}", {reactions}{options}),'


def _imports(names: Iterable[tuple[str, str]]) -> str:
    return "\n".join(f"from {module} import {name}" for module, name in names)


def _add_modules(plan: Plan, words: Mapping[str, str], *, http: bool) -> None:
    name = words["name"]
    modules = ["__init__", "__main__", "domain", "store", "handlers", "service", *(["api"] if http else [])]
    files = {f"{name}/{module}.py": f"{module}.py.txt" for module in modules} | {
        f"{name}/migrations/versions/0001_event_counts.py": "migration.txt",
        f"tests/unit/{name}/test_{name}_handlers.py": "unit_test.txt",
        f"tests/integration/{name}/test_{name}_conformance.py": "conformance_test.txt",
    }
    for path, template in files.items():
        plan.files[path] = Template((TEMPLATES / template).read_text(encoding="utf-8")).substitute(words)


def _add_to_service_lists(project: str, services: Sequence[str], name: str) -> str:
    """Return the text of pyproject.toml with the new service in each list of all services."""
    present_list = ", ".join(f'"{each}"' for each in services)
    if f"services = [{present_list}]" not in project:
        raise Refused("pyproject.toml lists services in another form than expected.", "Write each list on one line.")
    return project.replace(present_list, f'{present_list}, "{name}"')
