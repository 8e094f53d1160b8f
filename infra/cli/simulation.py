"""Implements the commands that simulate customers: `demo`, and `traffic` against a stack that is up."""

import asyncio
import os
import random
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from infra.cli.audit import EXIT_CODES, audit_stack, print_judgement
from infra.cli.output import console, print_error
from infra.cli.reporting import HtmlFile, JsonFile, run_document, write_report
from infra.cli.stack import bring_down, bring_up, running_stack
from infra.cli.termination import treat_termination_as_interrupt
from infra.stack import Layout, delete_stack, is_up, read_state, send_request
from infra.stack.layout import layout

if TYPE_CHECKING:  # imports an HTTP client, which would delay the other commands
    from infra.lab.simulator import Endpoints, Report, Traffic
    from infra.lab.watch import Samples

commands = typer.Typer()
AFTER_DEMO = """
Next:  ./marketplace up -d --faultable
       ./marketplace traffic --rate 10 --duration 60 --html traffic.html   # in another terminal: status --watch
       ./marketplace chaos random --rate 12 --html chaos.html"""
AFTER_TRAFFIC = """
Next:  ./marketplace audit               # checks every invariant
       ./marketplace events tail         # shows events as they are published
       ./marketplace status --watch      # shows the state and the rates of every part
       ./marketplace traffic … --html F  # draws the report"""
Duration = Annotated[float, typer.Option(help="Seconds during which customers arrive.", min=0.1)]
Rate = Annotated[float, typer.Option(help="Customers who arrive per second.", min=0.01, max=10_000)]
Seed = Annotated[int | None, typer.Option(help="Seed of the random choices; the same seed repeats them.")]
Drain = Annotated[float, typer.Option(help="Maximum seconds to wait for pending orders at the end.", min=0)]


@commands.command()
def demo(  # noqa: PLR0917 - typer reads options from them, none is positional
    duration: Duration = 30,
    rate: Rate = 20,
    seed: Seed = None,
    drain: Drain = 60,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
) -> None:
    """Start a stack, simulate customers, print a report, audit the result, and stop the stack.

    Succeeds only if every accepted order reached its final state, no message was dead-lettered, and the audit passes.
    """
    where = layout()
    starts_own_stack = is_up(where)
    if starts_own_stack:
        where = layout(f"demo-{os.getpid()}")
        console.print("The stack is already up: the demo starts another one.")
    treat_termination_as_interrupt()
    try:
        document = _demo(where, _traffic(where, duration, rate, seed, drain, "mixed"))
    finally:
        if starts_own_stack:
            delete_stack(where)
    write_report(document, json_file, html_file)
    console.print(AFTER_DEMO, highlight=False, soft_wrap=True)
    raise typer.Exit(_exit_code(document))


@commands.command()
def traffic(  # noqa: PLR0917 - typer reads options from them, none is positional
    rate: Rate,
    duration: Duration,
    seed: Seed = None,
    profile: Annotated[
        Literal["mixed", "buyers"], typer.Option(help="mixed: about half of the customers buy; buyers: four of five.")
    ] = "mixed",
    drain: Drain = 60,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
) -> None:
    """Simulate customers in a stack that is up, and print a report."""
    where = running_stack()
    parts = asyncio.run(send_request(where.socket, {"do": "status"}))["parts"]
    if not_ready := [f"{name} ({part['state']})" for name, part in parts.items() if part["state"] != "ready"]:
        print_error(
            f"Not ready: {', '.join(not_ready)}. The simulation starts anyway.",
            "Start parts that are down: ./marketplace heal",
        )
    write_report(
        _simulate(where, _traffic(where, duration, rate, seed, drain, profile), "Traffic"), json_file, html_file
    )
    console.print(AFTER_TRAFFIC, highlight=False, soft_wrap=True)


def _demo(where: Layout, traffic: "Traffic") -> dict[str, Any]:
    from infra.lab.audit import MinimumActivity

    supervisor = bring_up(where, stops_with_parent=True)
    try:
        document = _simulate(where, traffic, "Demo")
        with console.status("Auditing"):
            judgement = asyncio.run(audit_stack(where, minimum=MinimumActivity()))
        print_judgement(judgement)
        return document | judgement.as_dict()
    finally:
        bring_down(where, supervisor)


def _simulate(where: Layout, traffic: "Traffic", title: str) -> dict[str, Any]:
    """Simulate customers, print the report, and return it as a document."""
    shoppers = "shopper" if traffic.rate == 1 else "shoppers"
    about = f"{traffic.rate:g} {shoppers} per second for {traffic.duration_s:g} s (seed {traffic.seed})"
    console.print(f"Shopping: {about}.", highlight=False)
    with console.status("Shopping") as spinner:
        report, samples = asyncio.run(_run_sampled(where, traffic, spinner.update))
    console.print(report.table())
    for sentence in report.unfinished:
        print_error(sentence)
    return run_document(report.as_dict(), where, report, samples, title=title, about=about)


async def _run_sampled(where: Layout, traffic: "Traffic", report: Callable[[str], None]) -> tuple["Report", "Samples"]:
    from infra.lab.simulator import run_traffic
    from infra.lab.watch import Sampler

    async with Sampler(where) as samples:
        return await run_traffic(endpoints_of(where), traffic, report), samples


def endpoints_of(where: Layout) -> "Endpoints":
    """Return the addresses of a stack's services for the simulator."""
    from infra.lab.simulator import Endpoints

    return Endpoints.of(read_state(where.state))


def _traffic(  # noqa: PLR0917 - passed on in this order
    where: Layout, duration: float, rate: float, seed: int | None, drain: float, profile: Literal["mixed", "buyers"]
) -> "Traffic":
    from infra.lab.simulator import Traffic

    return Traffic(
        rate=rate, duration_s=duration, seed=seed_or_random(seed), profile=profile, drain_s=drain, record=where.record
    )


def seed_or_random(seed: int | None) -> int:
    """Return the given seed, or a random one if there is none."""
    return random.randrange(2**31) if seed is None else seed  # noqa: S311 - no secret


def _exit_code(document: Mapping[str, Any]) -> int:
    hanging = bool(document["orders"]["pending"] or document["events"]["dead"])
    return EXIT_CODES[document["verdict"]] or int(hanging)
