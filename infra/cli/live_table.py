"""Shows a live table of all parts, updated each second, for `up` in the foreground and `status --watch`."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any

from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from infra.cli.output import COLOURS, console, duration
from infra.stack import Layout, Message, read_state, stream_request

if TYPE_CHECKING:  # imports an HTTP client, which would delay the other commands
    from infra.lab.watch import Figures, Samples

KEEP_SAMPLES_S = 60
ORDER_STATES = ("accepted", "confirmed", "cancelled", "delivered")
TEXT_COLUMNS = ("part", "state", "circuits", "")
"""The columns that are aligned left."""
HEADINGS = (
    *("part", "state", "replicas", "for", "in/s", "out/s", "queue", "outbox", "oldest"),
    *("retries", "dead", "circuits", "calls", "budget", "under way", "shed", "memory", ""),
)
OMITTED_IF_NARROW = ("budget", "calls", "for", "under way", "shed", "outbox", "out/s", "replicas", "oldest", "retries")
"""The columns that are left out on a narrow terminal, in this order."""
GAP = 2
CIRCUIT_COLOURS = {"closed": "green", "half open": "yellow", "open": "red"}


async def show_live_table(where: Layout) -> None:
    """Show the table until the stack is down. Figures of a service that does not answer are left empty."""
    from infra.lab.watch import Sampler

    async with Sampler(where, keep_s=KEEP_SAMPLES_S) as samples:
        with Live(console=console, auto_refresh=False) as live:
            async for status in stream_request(where.socket, {"do": "watch"}):
                services = list(read_state(where.state).services)
                live.update(view(status, samples, services, console.width), refresh=True)


async def sample_figures(where: Layout) -> dict[str, Any]:
    """Return, for programs, the figures of each service and the number of messages in its queues.

    None, for a service or for the queues, if there was no answer.
    """
    from infra.lab.watch import take_sample

    samples, now = await take_sample(where), int(time.time())
    depths = samples.latest_depths(now)
    return {
        "services": {
            name: None if (figures := samples.latest(name, now)) is None else asdict(figures)
            for name in read_state(where.state).services
        },
        "queues": None if depths is None else dict(depths),
    }


def view(status: Message, samples: "Samples", services: Sequence[str], width: int) -> Group:
    """Return a table with a row for each part and as many columns as fit, followed by the orders per second."""
    now = int(time.time())
    rows = []
    for name, replicas in _by_part(status["parts"], services).items():
        row = _state_cells(name, replicas) | (_figure_cells(name, samples, now) if name in services else {})
        if name == "broker" and (depths := samples.latest_depths(now)) is not None:
            row["queue"] = f"{sum(depths.values()):,}"
        rows.append(row)
    title = f"{status['stack']}: {status['phase']}"
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, padding=(0, GAP, 0, 0))
    headings = _fitting_headings(rows, width)
    for heading in headings:
        table.add_column(heading, justify="left" if heading in TEXT_COLUMNS else "right", no_wrap=heading != "")
    for row in rows:
        table.add_row(*(row.get(heading, "") for heading in headings))
    return Group(table, Text(), _order_rates(samples, now, services))


def _fitting_headings(rows: Sequence[Mapping[str, str]], width: int) -> list[str]:
    """Return the headings of the columns that fit. The last column (what is wrong) always remains, and may wrap."""
    cells = {heading: [heading, *(row.get(heading, "") for row in rows)] for heading in HEADINGS if heading}
    widths = {heading: max(map(_length, column)) + GAP for heading, column in cells.items()}
    for heading in OMITTED_IF_NARROW:
        if sum(widths.values()) <= width:
            break
        del widths[heading]
    return [heading for heading in HEADINGS if heading in widths or not heading]


def _length(cell: str) -> int:
    return len(Text.from_markup(cell))


def _by_part(parts: Mapping[str, Message], services: Sequence[str]) -> dict[str, list[Message]]:
    """Group the replicas of each service under its name. Other parts are groups of one."""
    found: dict[str, list[Message]] = {}
    for name, part in parts.items():
        service = name.rpartition(".")[0]
        found.setdefault(service if service in services else name, []).append(part)
    return found


def _state_cells(name: str, replicas: Sequence[Message]) -> dict[str, str]:
    """Return the cells about the state of a part: that of a replica that is not ready, if there is one."""
    shown = next((each for each in replicas if each["state"] != "ready"), replicas[0])
    ready = sum(each["state"] == "ready" for each in replicas)
    memory = sum(each["rss_bytes"] or 0 for each in replicas)
    return {
        "part": name,
        "state": _coloured(shown["state"], COLOURS.get(shown["state"], "dim")),
        "replicas": f"{ready}/{len(replicas)}",
        "for": duration(time.time() - shown["since"]),
        "memory": f"{memory / 1e6:,.0f} MB" if memory else "",
        "": "" if shown["state"] == "ready" else shown["why"],
    }


def _figure_cells(name: str, samples: "Samples", now: int) -> dict[str, str]:
    figures, depth = samples.latest(name, now), samples.latest_depth(name, now)
    row = {"queue": _number(depth)}
    if figures is None:
        return row
    return row | {
        "in/s": _number(samples.rate(name, now, lambda each: each.handled), 1),
        "out/s": _number(samples.rate(name, now, lambda each: each.published), 1),
        "outbox": _number(figures.outbox),
        "oldest": "" if figures.outbox_age_s is None else f"{figures.outbox_age_s:.1f} s",
        "retries": _number(figures.retried),
        "dead": _coloured(_number(figures.dead), "red" if figures.dead else "default"),
        "circuits": " ".join(_circuits(figures)),
        "calls": _used_of_limit(figures.calls, figures.most_calls),
        "budget": _number(figures.repeats_left),
        "under way": _used_of_limit(figures.under_way, figures.most_under_way),
        "shed": _coloured(_number(figures.shed), "yellow" if figures.shed else "default"),
    }


def _circuits(figures: "Figures") -> Iterator[str]:
    for name, state in figures.circuits.items():
        if state != "closed":
            yield _coloured(f"{name} {state}", CIRCUIT_COLOURS[state])
    if closed := sum(state == "closed" for state in figures.circuits.values()):
        yield _coloured(f"{closed} closed", CIRCUIT_COLOURS["closed"])


def _order_rates(samples: "Samples", now: int, services: Sequence[str]) -> Text:
    """Return the orders per second that reached each state, over the last few seconds."""
    words = []
    for state in ORDER_STATES:
        rates = (samples.rate(name, now, partial(_orders_in_state, state)) for name in services)
        known = [rate for rate in rates if rate is not None]
        words.append(f"{_number(sum(known) if known else None, 1) or '?'} {state}")
    return Text("orders/s: " + "   ".join(words))


def _orders_in_state(state: str, figures: "Figures") -> float:
    return figures.orders.get(state, 0.0)


def _used_of_limit(used: float, limit: float) -> str:
    return f"{used:.0f}/{limit:.0f}" if limit else ""


def _number(value: float | None, digits: int = 0) -> str:
    return "" if value is None else f"{value:,.{digits}f}"


def _coloured(text: str, colour: str) -> str:
    return f"[{colour}]{text}[/]" if text else ""
