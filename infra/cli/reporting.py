"""Writes the report of a run as JSON, and draws it as an HTML page or an SVG picture."""

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table

from infra.cli.files import writable
from infra.cli.output import console
from infra.stack import Layout, LocalError, read_state

if TYPE_CHECKING:  # imports an HTTP client, which would delay the other commands
    from infra.lab.simulator import Report
    from infra.lab.watch import Samples

commands = typer.Typer()
JsonFile = Annotated[
    Path | None,
    typer.Option("--json", help="Also write the report to this file, as JSON.", metavar="FILE", callback=writable),
]
HtmlFile = Annotated[
    Path | None,
    typer.Option(
        "--html", help="Draw the report as an HTML page that needs no network.", metavar="FILE", callback=writable
    ),
]


@commands.command("report")
def draw_report(
    json_file: Annotated[
        Path, typer.Argument(metavar="JSON", help="File that --json of a run wrote.", exists=True, dir_okay=False)
    ],
    html_file: HtmlFile = None,
    svg_file: Annotated[
        Path | None,
        typer.Option("--svg", help="Draw only the time line, as an SVG picture.", metavar="FILE", callback=writable),
    ] = None,
) -> None:
    """Draw the stored report of a run as an HTML page or an SVG picture. The same report gives the same result."""
    from infra.lab.report import standalone_svg
    from infra.lab.report.page import page

    if not (html_file or svg_file):
        raise LocalError("No output file is given.", "Give --html FILE, --svg FILE, or both.")
    try:
        document = json.loads(json_file.read_text())
        if html_file:
            html_file.write_text(page(document), encoding="utf-8")
        if svg_file:
            svg_file.write_text(standalone_svg(document), encoding="utf-8")
    except (ValueError, KeyError, TypeError) as error:
        remedy = "Give a file that traffic, demo or chaos wrote with --json."
        why = {KeyError: f"it lacks {error}", TypeError: "it is other JSON"}.get(type(error), "it is not valid JSON")
        raise LocalError(f"{json_file} is not the report of a run: {why}.", remedy) from None


def recovery_table(groups: Sequence[Mapping[str, Any]]) -> Table:
    """Return a table of recovery times in seconds by kind of fault, for a terminal."""
    table = Table("fault", "times", "next order", "worst", "backlog drained", "worst", box=None, pad_edge=False)
    for each in groups:
        seconds = [each[name] for name in ("recovered_s", "worst_recovered_s", "drained_s", "worst_drained_s")]
        shown = ["" if value is None else f"{value:.1f} s" for value in seconds]
        table.add_row(f"{each['kind']} of {each['of']}", str(each["times"]), *shown)
    return table


def run_document(
    figures: Mapping[str, Any], where: Layout, report: "Report", samples: "Samples", *, title: str, about: str
) -> dict[str, Any]:
    """Return the report of a run as a document: its figures, its time lines, and its title and description."""
    from infra.lab.report.timeline import timeline

    return dict(figures) | {
        "title": title,
        "about": about,
        "made": f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC",
        "timeline": timeline(report.by_second, samples, list(read_state(where.state).services), report.duration_s),
    }


def write_report(document: Mapping[str, Any], json_file: Path | None, html_file: Path | None) -> None:
    """Write the report to those of the files that are given."""
    from infra.lab.report.page import page

    if json_file:
        json_file.write_text(json.dumps(document, default=str) + "\n")
    if html_file:
        html_file.write_text(page(document), encoding="utf-8")
        console.print(f"Open the page: {html_file}", soft_wrap=True, highlight=False)
