"""Renders a run as one HTML page that needs no network: verdict, figures, picture, faults and the audit's evidence."""

import json
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from pathlib import Path
from string import Template
from typing import Any

from infra.lab.report.figure import STYLE, VERDICTS, figure, summary
from infra.lab.report.lanes import colour, describe_effect

TEMPLATE = Path(__file__).with_name("page.html")
MAX_VIOLATIONS_SHOWN = 200
RECOVERY = (
    "Only faults that no other fault overlapped: the time from the end of the fault until the next order is confirmed, "
    "and until the backlog in queues and outboxes is as low as before the fault."
)

Document = Mapping[str, Any]


def page(document: Document) -> str:
    """Return the whole page for the JSON of a run of `traffic`, `demo` or `chaos`."""
    return Template(TEMPLATE.read_text(encoding="utf-8")).substitute(
        title=escape(document["title"]),
        about=escape(document.get("about", "")),
        style=STYLE.read_text(encoding="utf-8"),
        verdict=_verdict(document) + _expectations(document),
        tiles="".join(
            f"<div><dt>{escape(name)}</dt><dd>{escape(words)}</dd></div>" for name, words in _tiles(document)
        ),
        figure=figure(document),
        recovery=_recovery(document.get("recovery", ())),
        faults=_faults(document.get("faults", ())),
        audit=_audit(document),
        numbers=_numbers(document),
        made=escape(document.get("made", "")),
    )


def _verdict(document: Document) -> str:
    verdict = document.get("verdict")
    if verdict is None:
        return ""
    meaning = {
        "pass": "Every invariant holds: no order was lost, charged twice, oversold or shipped twice.",
        "fail": "An invariant is violated: see the evidence below.",
        "unknown": "No violation was found, but not everything could be checked: see the reasons below.",
    }[verdict]
    return (
        f'<div class="verdict {VERDICTS[verdict]}"><strong>Audit verdict: {verdict}</strong>'
        f"<p>{escape(meaning)} {escape(summary(document))}.</p></div>"
    )


def _expectations(document: Document) -> str:
    """Return the expectations of an experiment that were not met. They fail it, whatever the audit's verdict."""
    missed = document.get("expectations", {}).get("missed", ())
    if not missed:
        return ""
    sentences = "".join(f"<p>{escape(each)}</p>" for each in missed)
    return f'<div class="verdict red"><strong>Expectations not met</strong>{sentences}</div>'


def _tiles(document: Document) -> Iterator[tuple[str, str]]:
    orders, http, latency = document["orders"], document["http"], document["latency_ms"]["accepted_to_confirmed"]
    for state in ("accepted", "confirmed", "delivered", "cancelled"):
        yield f"orders {state}", f"{orders[state]:,}"
    yield "orders pending", f"{orders['pending']:,}"
    yield "dead letters", f"{document['events']['dead']:,}"
    yield "median time to confirmation", _ms(latency["p50"])
    yield "median HTTP response time", _ms(http["p50_ms"])
    yield "p99 HTTP response time", _ms(http["p99_ms"])
    yield f"errors in {http['requests']:,} requests", f"{http['errors']:,}"
    for name in ("handled", "retried"):
        yield f"events {name}", f"{document['events'][name]:,}"


def _recovery(groups: Sequence[Document]) -> str:
    if not groups:
        return ""
    rows = [
        [escape(f"{each['kind']} of {each['of']}"), str(each["times"])]
        + [_s(each[name]) for name in ("recovered_s", "worst_recovered_s", "drained_s", "worst_drained_s")]
        for each in groups
    ]
    headings = ("fault", "times", "next order: median", "worst", "backlog drained: median", "worst")
    return f"<h2>Time to recover</h2><p class='soft'>{RECOVERY}</p>{_table(headings, rows, numbers=5)}"


def _faults(faults: Sequence[Document]) -> str:
    if not faults:
        return ""
    rows = [
        [
            f'<span class="dot {colour(each)}"></span>{escape(each["kind"])}',
            escape(each["part"]),
            escape(describe_effect(each))
            if each["bite"]
            else f'<span class="ochre">{escape(describe_effect(each))}</span>',
            *(_s(each["start_s"]), _s(each["end_s"] - each["start_s"])),
            *(_s(each["recovered_s"]), _s(each["drained_s"])),
        ]
        for each in faults
    ]
    headings = ("fault", "part", "observed effect", "at", "for", "next order after", "drained after")
    return f"<h2>{len(faults)} faults</h2>{_table(headings, rows, numbers=4)}"


def _audit(document: Document) -> str:
    if "verdict" not in document:
        return ""
    violations, reasons = document["violations"], document.get("reasons", ())
    parts = [f"<h2>The audit: {escape(document['verdict'])}, {len(violations)} violations</h2>"]
    for each in violations[:MAX_VIOLATIONS_SHOWN]:
        evidence = escape(json.dumps(each["evidence"], indent=2, default=str, ensure_ascii=False))
        parts.append(
            f'<details open><summary class="red">{escape(each["invariant"])}</summary><pre>{evidence}</pre></details>'
        )
    if len(violations) > MAX_VIOLATIONS_SHOWN:
        parts.append(f"<p>… and {len(violations) - MAX_VIOLATIONS_SHOWN} more: see the JSON.</p>")
    parts += [f'<p class="ochre">{escape(reason)}</p>' for reason in reasons]
    examined = [[escape(name.replace("_", " ")), f"{number:,}"] for name, number in document["audited"].items()]
    parts.append(f"<details><summary>What was examined</summary>{_table(('', ''), examined, numbers=1)}</details>")
    return "".join(parts)


def _numbers(document: Document) -> str:
    latency = document["latency_ms"]["accepted_to_confirmed"]
    groups = {
        "orders": document["orders"],
        "http": document["http"],
        "events": document["events"],
        "accepted to confirmed, ms": latency,
    }
    rows = [
        [escape(f"{group}: {name}"), "" if value is None else f"{value:,}"]
        for group, figures in groups.items()
        for name, value in figures.items()
    ]
    return f"<details><summary>All figures</summary>{_table(('', ''), rows, numbers=1)}</details>"


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]], *, numbers: int) -> str:
    """Return a table. The cells are HTML already. The last `numbers` columns contain numbers."""
    styles = [""] * (len(headings) - numbers) + [' class="n"'] * numbers
    head = "".join(f"<th{style}>{escape(name)}</th>" for name, style in zip(headings, styles, strict=True))
    body = "".join(
        "<tr>" + "".join(f"<td{style}>{cell}</td>" for cell, style in zip(row, styles, strict=True)) + "</tr>"
        for row in rows
    )
    return f"<table><tr>{head}</tr>{body}</table>"


def _s(seconds: float | None) -> str:
    return "" if seconds is None else f"{seconds:.1f} s"


def _ms(ms: float | None) -> str:
    return "" if ms is None else f"{ms:,.0f} ms" if ms < 10_000 else f"{ms / 1000:,.1f} s"
