"""Implements the `chaos` commands: they inject faults while simulated customers shop, and audit the result."""

import asyncio
import contextlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from infra.cli.audit import EXIT_CODES, audit_stack, print_judgement
from infra.cli.output import console, print_error
from infra.cli.reporting import HtmlFile, JsonFile, recovery_table, run_document, write_report
from infra.cli.simulation import Drain, Duration, Rate, Seed, endpoints_of, seed_or_random
from infra.cli.stack import bring_down, bring_up
from infra.cli.termination import treat_termination_as_interrupt
from infra.stack import Layout, LocalError, is_up, read_state
from infra.stack.layout import layout

if TYPE_CHECKING:  # imports clients, which would delay the other commands
    from infra.lab.audit import MinimumActivity
    from infra.lab.chaos.experiment_runner import Outcome
    from infra.lab.chaos.run import Judgement, Result
    from infra.lab.chaos.schedule import PlannedFault
    from infra.lab.simulator import Traffic

commands = typer.Typer()
chaos_commands = typer.Typer(
    no_args_is_help=True, help="Inject faults while simulated customers shop, and audit the result."
)
commands.add_typer(chaos_commands, name="chaos")


@chaos_commands.command("ls")
def list_experiments() -> None:
    """List the named experiments."""
    from infra.lab.chaos import experiment

    for name in experiment.names():
        console.print(f"[bold]{name}[/]: {experiment.load(name).about}", soft_wrap=True, highlight=False)
    console.print(f"Add an experiment as a file in {experiment.DIRECTORY}", soft_wrap=True, highlight=False)


@chaos_commands.command("run")
def run_experiment(
    name: Annotated[str, typer.Argument(metavar="NAME", help="Name of the experiment, as listed by `chaos ls`.")],
    seed: Seed = None,
    drain: Drain = 60,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
) -> None:
    """Run a named experiment, which defines customers, faults and expectations, and audit the result.

    Exit codes: 0 the expectations are met and the audit passes; 1 one of them fails; 3 the verdict is unknown.
    """
    from infra.lab.audit import MinimumActivity
    from infra.lab.chaos import experiment
    from infra.lab.simulator import Traffic

    chosen = experiment.load(name)
    console.print(chosen.about, soft_wrap=True, highlight=False)
    customers = chosen.customers
    with _faultable_stack() as where:
        result = _run(
            where,
            Traffic(
                rate=customers.rate,
                duration_s=customers.duration_s,
                seed=seed_or_random(seed),
                profile=customers.profile,
                drain_s=drain,
                record=where.record,
            ),
            chosen.schedule(list(read_state(where.state).services)),
            MinimumActivity(),
        )
    missed = result.unmet_expectations(chosen)
    write_report(_print_result(where, result, f"Experiment {name}", chosen.about, missed), json_file, html_file)
    raise typer.Exit(_exit_code(result) or bool(missed))


@chaos_commands.command("random")
def run_random(  # noqa: PLR0917 - typer reads options from them, none is positional
    rate: Rate,
    duration: Duration = 120,
    seed: Seed = None,
    faults: Annotated[int | None, typer.Option(help="Number of faults. Default: one every 4 s.", min=1)] = None,
    profile: Annotated[
        Literal["mixed", "buyers"], typer.Option(help="mixed: about half of the customers buy; buyers: four of five.")
    ] = "buyers",
    drain: Drain = 60,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
) -> None:
    """Inject random faults while simulated customers shop, and audit the result. The same seed gives the same faults.

    Exit codes: 0 the audit passes; 1 it fails, or an order is still pending; 3 the verdict is unknown.
    """
    from infra.lab.audit import MinimumActivity
    from infra.lab.chaos.schedule import random_schedule
    from infra.lab.simulator import Traffic

    chosen_seed = seed_or_random(seed)
    with _faultable_stack() as where:
        state = read_state(where.state)
        schedule = random_schedule(chosen_seed, duration, list(state.services), faults, external=state.given)
        kinds = len({each.fault.kind for each in schedule})
        console.print(f"{len(schedule)} faults of {kinds} kinds in {duration:g} s (seed {chosen_seed}).")
        traffic = Traffic(
            rate=rate, duration_s=duration, seed=chosen_seed, profile=profile, drain_s=drain, record=where.record
        )
        orders = round(rate * duration / 4)
        result = _run(
            where,
            traffic,
            schedule,
            MinimumActivity(orders, rejected=orders // 10, contended=orders // 100),
            with_final_sale=True,
        )
    about = f"{rate:g} shoppers per second for {duration:g} s (seed {chosen_seed})"
    write_report(_print_result(where, result, "Chaos at random", about), json_file, html_file)
    raise typer.Exit(_exit_code(result))


@chaos_commands.command("recover")
def time_recovery(  # noqa: PLR0917 - typer reads options from them, none is positional
    times: Annotated[int, typer.Option(help="Number of faults of each kind.", min=1)] = 1,
    every: Annotated[float, typer.Option(help="Seconds from the start of one fault to the next.", min=10)] = 25,
    rate: Rate = 8,
    seed: Seed = None,
    json_file: JsonFile = None,
    html_file: HtmlFile = None,
) -> None:
    """Kill or restart services, databases and the broker, one by one, and measure the recovery time in seconds.

    Exit codes: 0 the audit passes and every median is within its target; 1 one of them fails; 3 the verdict is unknown.
    """
    from infra.lab.audit import MinimumActivity
    from infra.lab.chaos.recovery import describe_target
    from infra.lab.chaos.schedule import sequential_schedule
    from infra.lab.simulator import Traffic

    with _faultable_stack() as where:
        state = read_state(where.state)
        schedule = sequential_schedule(list(state.services), times, every, external=state.given)
        duration = schedule[-1].end_s + every
        console.print(f"{len(schedule)} faults, one every {every:g} s: {duration:.0f} s.", highlight=False)
        traffic = Traffic(
            rate=rate, duration_s=duration, seed=seed_or_random(seed), profile="buyers", record=where.record
        )
        result = _run(where, traffic, schedule, MinimumActivity())
    about = f"{len(schedule)} faults, one at a time, {rate:g} shoppers per second"
    targets = result.targets()
    missed = [describe_target(each) for each in targets if not each["kept"]]
    document = _print_result(where, result, "Time to recover", about, missed) | {"targets": targets}
    for each in targets:
        if each["kept"]:
            console.print(describe_target(each), soft_wrap=True, highlight=False)
    write_report(document, json_file, html_file)
    raise typer.Exit(_exit_code(result) or bool(missed))


@contextlib.contextmanager
def _faultable_stack() -> Iterator[Layout]:
    """Yield a stack with the fault proxy: the one that is up, or else a new one, stopped afterwards.

    Raises `LocalError` if the stack that is up has no fault proxy.
    """
    where = layout()
    treat_termination_as_interrupt()
    if is_up(where):
        if not read_state(where.state).proxy:
            raise LocalError(
                "The stack has no fault proxy.",
                "Restart it with one: ./marketplace down, then ./marketplace up -d --faultable",
            )
        yield where
        return
    supervisor = bring_up(where, stops_with_parent=True, faultable=True)
    try:
        yield where
    finally:
        bring_down(where, supervisor)


def _run(
    where: Layout,
    traffic: "Traffic",
    schedule: Sequence["PlannedFault"],
    minimum: "MinimumActivity",
    *,
    with_final_sale: bool = False,
) -> "Result":
    """Run the traffic and the faults, audit the stack, and return the result.

    With `with_final_sale`, buyers compete for a scarce product after all faults were undone.
    """
    from infra.lab.chaos import Journal
    from infra.lab.chaos.run import run

    # a planned fault must not replace one that is in effect now
    Journal(where.faults).refuse_replacements(*(planned.fault for planned in schedule))

    async def judge(outcomes: Sequence["Outcome"], since: float) -> "Judgement":
        return await _audit(where, outcomes, replace(minimum, since=since))

    with console.status("Preparing the simulation") as spinner:

        def report_progress(word: str) -> None:
            spinner.update(word)
            if not console.is_terminal:
                console.print(word, soft_wrap=True, highlight=False)

        return asyncio.run(
            run(
                where,
                endpoints_of(where),
                traffic,
                schedule,
                judge=judge,
                report_progress=report_progress,
                with_final_sale=with_final_sale,
            )
        )


async def _audit(where: Layout, outcomes: Sequence["Outcome"], minimum: "MinimumActivity") -> "Judgement":
    """Audit the stack, and return the verdict.

    The record lists every fault, but not always whether it took effect. So the faults without a visible effect are
    passed to the audit, too.
    """
    from infra.lab.audit import Fault

    without_effect = [
        Fault(each.fault.kind, each.fault.part, each.began, each.ended, effect_observed=False)
        for each in outcomes
        if not each.effect
    ]
    return await audit_stack(where, minimum=minimum, faults=without_effect)


def _print_result(
    where: Layout, result: "Result", title: str, about: str, missed: Sequence[str] | None = None
) -> dict[str, Any]:
    """Print the result of a run, and return it as a document.

    `missed` lists the expectations that were not met. It is None for a run without expectations.
    """
    found = result.as_dict() | ({} if missed is None else {"expectations": {"missed": list(missed)}})
    console.print(result.table(), result.report.table(), sep="\n\n")
    if found["recovery"]:
        console.print(
            "\nTime to recover from faults that did not overlap with others:",
            recovery_table(found["recovery"]),
            sep="\n",
        )
    for sentence in result.report.unfinished:
        print_error(sentence)
    print_judgement(result.judgement)
    for each in missed or ():
        print_error(each)
    return run_document(found, where, result.report, result.samples, title=title, about=about)


def _exit_code(result: "Result") -> int:
    """Return the exit code of the verdict. It is also 1 if an order was still pending after the time to drain."""
    return EXIT_CODES[result.judgement.verdict] or int(bool(result.report.unfinished))
