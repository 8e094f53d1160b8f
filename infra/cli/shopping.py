"""Commands that send customers: demo, and traffic against a stack that is up."""

import asyncio
import json
import os
import random
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from infra.cli.show import complain, console
from infra.cli.stack import bring_down, bring_up
from infra.local import Layout, StackIsDown, forget, is_up, layout, read_state

if TYPE_CHECKING:  # it brings an HTTP client along, which the other commands should not wait for
    from infra.simulator import Endpoints, Report, Traffic

commands = typer.Typer()
Duration = Annotated[float, typer.Option(help="Seconds to shop.", min=0.1)]
Rate = Annotated[float, typer.Option(help="Shoppers per second.", min=0.01, max=10_000)]
Seed = Annotated[int | None, typer.Option(help="Makes it repeatable.")]
Drain = Annotated[float, typer.Option(help="Seconds to wait for the orders to finish.", min=0)]
JsonFile = Annotated[Path | None, typer.Option("--json", help="Write the report here, too.", metavar="FILE")]


@commands.command()
def demo(
    duration: Duration = 30, rate: Rate = 20, seed: Seed = None, drain: Drain = 60, json_file: JsonFile = None
) -> None:
    """Start everything, shop, say what happened, and stop everything again.

    Succeeds only if every accepted order came to its end and no message died.
    """
    where = layout()
    of_its_own = is_up(where)
    if of_its_own:
        where = layout(f"demo-{os.getpid()}")
        console.print("The stack is in use: the demo starts one of its own.")
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        report = _demo(where, _traffic(where, duration, rate, seed, drain, "mixed"))
    finally:
        if of_its_own:
            forget(where)
    _tell(report, json_file)
    raise typer.Exit(_verdict(report))


@commands.command()
def traffic(  # noqa: PLR0917 - typer reads options from them, none is positional
    rate: Rate,
    duration: Duration,
    seed: Seed = None,
    profile: Annotated[Literal["mixed", "buyers"], typer.Option(help="buyers: four of five buy.")] = "mixed",
    drain: Drain = 60,
    json_file: JsonFile = None,
) -> None:
    """Send customers to a stack that is up."""
    where = layout()
    if not is_up(where):
        raise StackIsDown("The stack is not up.", "Start it: ./marketplace up -d")
    report = _shop(where, _traffic(where, duration, rate, seed, drain, profile))
    _tell(report, json_file)


def _demo(where: Layout, traffic: "Traffic") -> "Report":
    supervisor = bring_up(where, dies_with_us=True)
    try:
        return _shop(where, traffic)
    finally:
        bring_down(where, supervisor)


def _shop(where: Layout, traffic: "Traffic") -> "Report":
    from infra.simulator import run_traffic

    console.print(f"Shopping for {traffic.duration_s:g} s at {traffic.rate:g} shoppers/s (seed {traffic.seed}).")
    with console.status("Shopping") as spinner:
        return asyncio.run(run_traffic(endpoints_of(where), traffic, spinner.update))


def endpoints_of(where: Layout) -> "Endpoints":
    """Where the simulator finds the services of a stack."""
    from infra.simulator import Endpoints

    return Endpoints.of(read_state(where.state))


def _traffic(  # noqa: PLR0917 - handed on as they come
    where: Layout, duration: float, rate: float, seed: int | None, drain: float, profile: Literal["mixed", "buyers"]
) -> "Traffic":
    from infra.simulator import Traffic

    chosen = random.randrange(2**31) if seed is None else seed  # noqa: S311 - no secret
    return Traffic(rate=rate, duration_s=duration, seed=chosen, profile=profile, drain_s=drain, record=where.record)


def _tell(report: "Report", json_file: Path | None) -> None:
    console.print(report.table())
    for sentence in report.hanging:
        complain(sentence)
    if json_file:
        json_file.write_text(json.dumps(report.as_dict(), indent=2) + "\n")


def _verdict(report: "Report") -> int:
    found = report.as_dict()
    return 0 if found["orders"]["pending"] == 0 and found["events"]["dead"] == 0 else 1
