"""Derives a verdict from the evidence: pass, fail or unknown."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from infra.lab.audit.collect import collect
from infra.lab.audit.evidence import Evidence
from infra.lab.audit.gaps import fill_log_gaps
from infra.lab.audit.invariants import INVARIANTS
from infra.lab.audit.invariants.mail import mails_by_key
from infra.lab.audit.invariants.rest import make_injection_check
from infra.lab.audit.record import Fault
from infra.lab.audit.sources import Sources


@dataclass(frozen=True)
class MinimumActivity:
    """Minimum activity that makes a result without violations meaningful."""

    orders: int = 1
    """Minimum number of accepted orders."""
    rejected: int = 0
    """Minimum number of orders that were rejected because the stock or a price had changed."""
    contended: int = 0
    """Minimum number of order lines that were rejected because the product was sold out to other orders."""
    since: float = 0.0
    """Unix time. Earlier activity does not count, and faults that began earlier need no observed effect."""


DEFAULT_MINIMUM = MinimumActivity()


@dataclass(frozen=True)
class Violation:
    """A violation of an invariant, with its evidence."""

    invariant: str
    evidence: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return {"invariant": self.invariant, "evidence": self.evidence}


@dataclass(frozen=True)
class Verdict:
    """The result of an audit."""

    violations: tuple[Violation, ...]
    unknown: tuple[str, ...]
    """What could not be determined, and why."""
    checked: tuple[str, ...]
    """Ids of the invariants that were checked."""
    counts: dict[str, int] = field(default_factory=dict)
    """Counts of what was examined, and of the deviations that were found but allowed."""

    @property
    def verdict(self) -> Literal["pass", "fail", "unknown"]:
        """`fail` if an invariant is violated; else `unknown` if anything could not be determined; else `pass`."""
        if self.violations:
            return "fail"
        return "unknown" if self.unknown else "pass"

    def as_dict(self) -> dict[str, Any]:
        """Return the verdict for machines."""
        return {
            "verdict": self.verdict,
            "violations": [violation.as_dict() for violation in self.violations],
            "unknown": list(self.unknown),
            "checked": list(self.checked),
            "counts": self.counts,
        }


async def audit(
    sources: Sources,
    *,
    minimum: MinimumActivity = DEFAULT_MINIMUM,
    faults: Sequence[Fault] = (),
    settle_s: float = 60.0,
) -> Verdict:
    """Read all sources from outside once the marketplace is at rest, and judge the evidence.

    Traffic must have ended. `faults` are injected faults that the record does not contain. Takes at most `settle_s`
    seconds to wait for rest, then about 10 s per 100,000 events. Never raises if a source fails: unless a violation is
    found, the verdict is then `unknown`.
    """
    evidence = await collect(sources, settle_s=settle_s)
    evidence = replace(evidence, record=replace(evidence.record, faults=(*evidence.record.faults, *faults)))
    return await asyncio.to_thread(judge, evidence, minimum)


def judge(evidence: Evidence, minimum: MinimumActivity) -> Verdict:
    """Return the verdict on the evidence. Pure.

    If the sources may describe different moments, no invariant is checked. Never raises: an invariant that fails on
    damaged evidence counts as not checked, and the verdict is not `pass`.
    """
    violations: list[Violation] = []
    checked: list[str] = []
    unknown = [f"{source} could not be read: {why}" for source, why in evidence.unread.items()]
    try:
        evidence = fill_log_gaps(evidence)
    except Exception as error:  # noqa: BLE001 - damaged evidence: the gaps of the log stay unexplained
        unknown.append(f"gaps in the log could not be checked: {error!r}")
    for invariant in INVARIANTS:
        if any(need in evidence.unread for need in (*invariant.needs, "the state at rest")):
            continue
        try:
            violations += (Violation(invariant.id, details) for details in invariant.find(evidence))
        except Exception as error:  # noqa: BLE001 - as above; the others are still checked
            unknown.append(f"{invariant.id} could not be checked: {error!r}")
        else:
            checked.append(invariant.id)
    counts: dict[str, int] = {}
    try:
        counts = _counts(evidence)
        unknown += (*_find_missing_activity(evidence, minimum), *_describe_discarded(evidence, minimum.since))
    except Exception as error:  # noqa: BLE001 - as above
        unknown.append(f"activity could not be counted: {error!r}")
    return Verdict(tuple(violations), tuple(unknown), tuple(checked), counts)


def _counts(evidence: Evidence) -> dict[str, int]:
    return {
        **_count_activity(evidence, since=0),
        "unanswered": sum(
            request.order_id is None and not request.refused for request in evidence.record.checkout_requests.values()
        ),
        "orders": len(evidence.order_histories),
        "kept": sum(history.stayed_confirmed for history in evidence.order_histories.values()),
        "events": len(evidence.log.events),
        "published_again": sum(max(published.copies - 1, 0) for published in evidence.log.events.values()),
        "log_gaps": sum(not published.copies for published in evidence.log.events.values()),
        "mails": len(evidence.mails),
        "mails_repeated": sum(len(mails) - 1 for mails in mails_by_key(evidence).values()),
        "injected": len(evidence.log.invalid_messages) + len(evidence.invalid_events),
        "dead": sum(len(messaging_tables.dead) for messaging_tables in evidence.messaging_tables.values()),
        "discarded": sum(len(messaging_tables.discarded) for messaging_tables in evidence.messaging_tables.values()),
        "faults": len(evidence.record.faults),
    }


def _count_activity(evidence: Evidence, since: float) -> dict[str, int]:
    """Count the activity since that time that makes an audit meaningful."""
    rejections = [
        published for published in evidence.events_named("catalog.stock-rejected") if published.at.timestamp() >= since
    ]
    reasons = Counter(line["reason"] for published in rejections for line in published.body["lines"])
    return {
        "accepted": sum(
            request.order_id is not None and request.at >= since
            for request in evidence.record.checkout_requests.values()
        ),
        "rejected": len(rejections),
        "contended": reasons["sold-out"],
    }


def _find_missing_activity(evidence: Evidence, minimum: MinimumActivity) -> list[str]:
    """Return the reasons why a result without violations would prove nothing."""
    activity = _count_activity(evidence, minimum.since)
    floors = {"accepted": minimum.orders, "rejected": minimum.rejected, "contended": minimum.contended}
    placed = sum(1 for _ in evidence.events_named("checkout.order-placed"))
    hint = f"the log has {placed:,}" if placed else "run traffic first: ./marketplace traffic --rate 5 --duration 10"
    note = f"; only orders of simulated shoppers are recorded ({hint})"
    notes = {"accepted": note}
    shortfalls = [
        f"too little activity: {activity[name]} {name}, at least {floor} needed{notes.get(name, '')}"
        for name, floor in floors.items()
        if activity[name] < floor
    ]
    without_effect = dict.fromkeys(
        f"the fault {fault.kind} of {fault.part} had no observed effect"
        for fault in evidence.record.faults
        if fault.effect_observed is False and fault.began >= minimum.since
    )
    return [*shortfalls, *without_effect]


def _describe_discarded(evidence: Evidence, since: float) -> list[str]:
    """Describe the dead letters that people discarded since then, without those that a fault injected.

    Their effects are missing, and only the person who discarded them knows whether that is right.
    """
    injected = make_injection_check(evidence)
    letters = Counter(
        (service, row["subscription"], row["by"], row["note"])
        for service, messaging_tables in evidence.messaging_tables.items()
        for row in messaging_tables.discarded
        if row["at"].timestamp() >= since and not injected(row)
    )
    return [
        f"dead letters of {service}.{subscription} discarded by {by}, not injected by a fault: {number} ({note})"
        for (service, subscription, by, note), number in letters.items()
    ]
