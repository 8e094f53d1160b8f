"""Prints tables, addresses and errors for people."""

import os
import re
import time
from collections.abc import Mapping
from types import MappingProxyType

from rich.console import Console
from rich.table import Table

from infra.stack import Message, StackState

console = Console()
error_console = Console(stderr=True)

CHOSEN_STACK = "MARKETPLACE_CHOSEN"
"""Environment variable with the name of the stack that `--stack` chose. Only messages of this process use it."""
COMMAND = re.compile(r"\./marketplace (?!--)")
COLOURS = {
    "ready": "green",
    "starting": "yellow",
    "stopping": "yellow",
    "paused": "magenta",
    "crashed": "red",
    "killed": "red",
}


def print_error(problem: str, remedy: str = "") -> None:
    """Print to standard error one line with what is wrong, and one with what to do.

    Commands in the latter name the stack, if `--stack` chose it.
    """
    error_console.print(problem, style="bold red", markup=False, highlight=False, soft_wrap=True)
    if remedy:
        error_console.print(for_this_stack(remedy), markup=False, highlight=False, soft_wrap=True)


def for_this_stack(text: str) -> str:
    """Return the text with `--stack NAME` inserted in its commands, if `--stack` chose the stack."""
    name = os.environ.get(CHOSEN_STACK)
    return COMMAND.sub(f"./marketplace --stack {name} ", text) if name else text


def pluralized(number: int, what: str) -> str:
    """Return a number and what it counts: 1 event, 2 events."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"


LONG_RETRY_S = 60.0
"""Age of the oldest retried message, in seconds, from which operators see a note on the service."""


def notes(figures: Message) -> dict[str, str]:
    """Return notes for operators by service: unhealthy components, and messages that have failed for over 60 s."""
    found: dict[str, str] = {}
    for name, each in figures["services"].items():
        lines = [f"unhealthy: {component}" for component in (each or {}).get("unhealthy", ())]
        if each and (each["retrying_oldest_s"] or 0) > LONG_RETRY_S:
            lines.append(
                f"{each['retrying']:.0f} messages retried, the oldest for {duration(each['retrying_oldest_s'])}"
            )
        found[name] = ", ".join(lines)
    return found


def parts_table(status: Message, notes: Mapping[str, str] = MappingProxyType({})) -> Table:
    """Return a table with a row for each part. Replicas that are ready show the notes on their service."""
    table = Table(title=f"{status['stack']}: {status['phase']}", title_justify="left", box=None, pad_edge=False)
    for heading in ("part", "state", "pid", "for", "restarts", "memory", ""):
        table.add_column(heading, justify="right" if heading in ("pid", "for", "restarts", "memory") else "left")
    now = time.time()
    for name, part in status["parts"].items():
        state = part["state"]
        table.add_row(
            name,
            f"[{COLOURS.get(state, 'dim')}]{state}[/]",
            str(part["pid"] or ""),
            duration(now - part["since"]),
            str(part["restarts"]),
            f"{part['rss_bytes'] / 1e6:.0f} MB" if part["rss_bytes"] else "",
            notes.get(name.rpartition(".")[0]) or part["why"] if state == "ready" else part["why"],
        )
    return table


def addresses(state: StackState) -> dict[str, str]:
    """Return the URLs of the gateway, services, stand-ins, issuer and broker, without passwords."""
    gateway = {"gateway": state.gateway["http"], "gateway_tls": state.gateway["tls"]}
    urls = {name: service.http for name, service in state.services.items()}
    management = state.broker["management"].rpartition("@")[2]
    return {**gateway, **urls, "outside": state.outside, "issuer": state.issuer, "broker": f"http://{management}"}


def addresses_table(state: StackState) -> Table:
    """Return the addresses as a table for people."""
    table = Table(box=None, pad_edge=False, show_header=False)
    for name, url in addresses(state).items():
        table.add_row(name, url)
    return table


def duration(seconds: float) -> str:
    """Format a duration for people, with at most two units: 5s, 3m 05s, 2h 07m."""
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}h {minutes:02}m" if hours else f"{minutes}m {rest:02}s" if minutes else f"{rest}s"
