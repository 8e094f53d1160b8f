"""Plans the next version of an event.

The plan adds a copy of the newest version, which a person then edits, and an upcast, which a person then completes. It
marks the former version as deprecated, with the date until which it is still published.
"""

import re
from datetime import UTC, datetime, timedelta

from infra.lab.scaffold.names import EventName
from infra.lab.scaffold.plan import Plan, Refused

UPCASTS = "contracts/upcasts.py"
DEPRECATION_PERIOD = timedelta(days=182)
"""Default time for which the publisher promises to publish the old version, too."""
CLASS_ARGUMENTS_PATTERN = (
    r'\(\s*Event,\s*type="(?P<type>[^"]+)",\s*key="(?P<key>[^"]+)"(?P<more>[^)]*(?:\([^)]*\))?[^)]*)\)'
)


def add_next_version(plan: Plan, old: EventName, new: EventName) -> None:
    """Add `new` beside `old`; both are published for a while. Raises `Refused` if the old class is not found."""
    path = f"contracts/{old.publisher}.py"
    module = plan.read(path)
    found = re.search(
        rf"^class {old.class_name}{CLASS_ARGUMENTS_PATTERN}:\n(?P<body>(?:    .*\n|\n)+)", module, re.MULTILINE
    )
    if found is None:
        raise Refused(
            f"{old.class_name} is not found in {path}.",
            f'It must be written as: class {old.class_name}(Event, type="{old.type}", key="…"):',
        )
    internal = "internal=True" in found["more"]
    head = f'class {new.class_name}(Event, type="{new.type}", key="{found["key"]}"{", internal=True" * internal}):\n'
    copied = f"{found[0].rstrip()}\n\n\n{head}{found['body'].rstrip()}\n"
    if not internal and "deprecated=" not in found["more"]:
        last = (datetime.now(UTC) + DEPRECATION_PERIOD).date()
        until = f"deprecated=date({last.year}, {last.month}, {last.day})"
        copied = copied.replace(f'key="{found["key"]}"', f'key="{found["key"]}", {until}', 1)
        module = module.replace('"""\n', '"""\n\nfrom datetime import date\n', 1)
    rest = module.partition(found[0])[2]
    before = module.partition(found[0])[0]
    plan.files[path] = before + copied + (f"\n\n{rest}" if rest else "")
    _add_upcast(plan, old, new)


def _add_upcast(plan: Plan, old: EventName, new: EventName) -> None:
    function = f"{new.snake}_v{new.version}"
    text = plan.read(UPCASTS).replace(
        '"""\n', f'"""\n\nfrom contracts.{old.publisher} import {old.class_name}, {new.class_name}\n', 1
    )
    table = "\n\nUPCASTS: Mapping"
    if table not in text:
        raise Refused(f"{UPCASTS} has an unexpected form.", "It must have a table UPCASTS after its functions.")
    upcast = (
        f"\n\ndef {function}(old: {old.class_name}) -> {new.class_name}:\n"
        f'    """Add values here for the fields that V{new.version} has and V{old.version} lacks."""\n'
        f"    return {new.class_name}(**dict(old))\n"
    )
    text = text.replace(table, upcast + table, 1)
    plan.files[UPCASTS] = re.sub(
        r"(UPCASTS: Mapping.*? = \{\n)", rf"\1    {old.class_name}: {function},\n", text, count=1, flags=re.DOTALL
    )
