"""Writes the pages about events: the map, the headers of messages, and one page per publisher."""

import json
from collections.abc import Sequence

from infra.lab.docs.drawing import svg
from infra.lab.docs.event_map import display_name
from infra.lab.docs.markdown import Document, fields, resolved, table, table_of_contents
from infra.lab.docs.wiring import ServiceWiring, subscribed_queues

FOLDER = "reference/events"


def event_pages(document: Document, services: Sequence[ServiceWiring]) -> dict[str, str]:
    """Return the text of each page by its path. `document` is the AsyncAPI document of these services."""
    messages = {each["name"]: each for each in document["components"]["messages"].values()}
    publishers = [each for each in services if each.publishes]
    return {f"{FOLDER}/index.md": _index(document, services, publishers)} | {
        f"{FOLDER}/{publisher.service}.md": _publisher(publisher, services, messages, document)
        for publisher in publishers
    }


def drawn_map(services: Sequence[ServiceWiring]) -> str:
    """Return the map of events as a block of a page."""
    return f"```{{raw}} html\n{svg(services)}\n```"


def _index(document: Document, services: Sequence[ServiceWiring], publishers: Sequence[ServiceWiring]) -> str:
    rows = [
        (
            f"[{display_name(type)}](#{type})",
            f"[{each.service}]({each.service}.md)",
            _queues(subscribed_queues(services, type)),
        )
        for each in publishers
        for type in each.publishes
    ]
    return f"""# Events

{document["info"]["description"]}

The <a href="../../asyncapi.json">AsyncAPI 3.0 document</a> also describes these events, with a JSON Schema of each.

{drawn_map(services)}

An arrow leads from a publisher to a subscriber. Its number counts the types of events; rest the pointer on it to see
them.

{table(["event", "published by", "received by the queues"], rows)}

## Headers of every message

{fields(document["components"]["schemas"]["CloudEventsHeaders"], document)}

{table_of_contents((each.service for each in publishers), ":hidden:")}
"""


def _publisher(
    publisher: ServiceWiring, services: Sequence[ServiceWiring], messages: Document, document: Document
) -> str:
    sections = [_event(messages[type], subscribed_queues(services, type), document) for type in publisher.publishes]
    return f"# Events of {publisher.service}\n\n" + "\n\n".join(sections) + "\n"


def _event(message: Document, queues: Sequence[str], document: Document) -> str:
    type, schema = message["name"], resolved(message["payload"], document)
    about = schema["x-event"]
    end = f" **Published until {about['deprecated']}.**" if "deprecated" in about else ""
    example = json.dumps(message["examples"][0]["payload"], indent=2, ensure_ascii=False)
    return f"""({type})=
## {display_name(type)}

`{type}`{end}

{message["summary"]}

The subject is the `{about["key"]}`. Received by: {_queues(queues)}.

{fields(schema, document)}

<details><summary>Example</summary>

```json
{example}
```

</details>

<a href="../../schemas/{type}.json">JSON Schema</a>"""


def _queues(queues: Sequence[str]) -> str:
    return ", ".join(f"`{queue}`" for queue in queues) or "none"
