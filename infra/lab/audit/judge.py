"""From evidence to a verdict: pass, fail, or unknown."""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from infra.lab.audit.collect import collect
from infra.lab.audit.evidence import Evidence
from infra.lab.audit.gaps import fill
from infra.lab.audit.invariants import INVARIANTS
from infra.lab.audit.invariants.mail import by_matter
from infra.lab.audit.invariants.rest import was_injected
from infra.lab.audit.record import Fault
from infra.lab.audit.sources import Sources


@dataclass(frozen=True)
class Least:
    """What must have happened before "nothing went wrong" means anything."""

    orders: int = 1
    """Accepted."""
    rejected: int = 0
    """Cancelled since the stock or a price had changed."""
    contended: int = 0
    """Of these, orders that found another had bought the last units."""
    since: float = 0.0
    """Unix time: what happened before proves nothing, and faults that began before may have bitten or not."""


ANYTHING = Least()


@dataclass(frozen=True)
class Violation:
    """One broken promise."""

    invariant: str
    evidence: dict[str, Any]

    def as_dict(self) -> dict[str, Any]:
        return {"invariant": self.invariant, "evidence": self.evidence}


@dataclass(frozen=True)
class Verdict:
    """What an audit came to."""

    violations: tuple[Violation, ...]
    unknown: tuple[str, ...]
    """What could not be found out, and why."""
    checked: tuple[str, ...]
    """The invariants that were checked."""
    counts: dict[str, int] = field(default_factory=dict)
    """What was looked at, and what was found and allowed."""

    @property
    def verdict(self) -> Literal["pass", "fail", "unknown"]:
        """`fail` if a promise was seen broken; else `unknown` if anything could not be found out; else `pass`."""
        if self.violations:
            return "fail"
        return "unknown" if self.unknown else "pass"

    def as_dict(self) -> dict[str, Any]:
        """For machines."""
        return {
            "verdict": self.verdict,
            "violations": [violation.as_dict() for violation in self.violations],
            "unknown": list(self.unknown),
            "checked": list(self.checked),
            "counts": self.counts,
        }


async def audit(
    sources: Sources, *, least: Least = ANYTHING, faults: Sequence[Fault] = (), settle_s: float = 60.0
) -> Verdict:
    """Read everything from outside once the marketplace has come to rest, and judge it.

    Traffic must have ended. `faults` are what was broken on purpose, besides what the record tells of.
    Takes `settle_s` at most to wait for rest, then about 10 s per 100,000 events. Never raises for what
    a source does: what could not be read makes the verdict `unknown`.
    """
    found = await collect(sources, settle_s=settle_s)
    found = replace(found, record=replace(found.record, faults=(*found.record.faults, *faults)))
    return await asyncio.to_thread(judge, found, least)


def judge(found: Evidence, least: Least) -> Verdict:
    """The verdict on what was found. Pure. Of sources that may speak of different moments nothing is concluded.

    Never raises: an invariant that stumbles over damaged evidence has not been checked, and the verdict is no pass.
    """
    violations: list[Violation] = []
    checked: list[str] = []
    unknown = [f"{source} could not be read: {why}" for source, why in found.unread.items()]
    try:
        found = fill(found)
    except Exception as error:  # noqa: BLE001 - whatever the evidence lacks: then no gap of the log is explained
        unknown.append(f"gaps of the log could not be explained: {error!r}")
    for invariant in INVARIANTS:
        if any(need in found.unread for need in (*invariant.needs, "rest")):
            continue
        try:
            violations += (Violation(invariant.id, evidence) for evidence in invariant.find(found))
        except Exception as error:  # noqa: BLE001 - as above; the others are still judged
            unknown.append(f"{invariant.id} could not be checked: {error!r}")
        else:
            checked.append(invariant.id)
    counts: dict[str, int] = {}
    try:
        counts = _counts(found)
        unknown += (*_empty_victory(found, least), *_discarded(found, least.since))
    except Exception as error:  # noqa: BLE001 - as above
        unknown.append(f"what happened could not be counted: {error!r}")
    return Verdict(tuple(violations), tuple(unknown), tuple(checked), counts)


def _counts(found: Evidence) -> dict[str, int]:
    return {
        **_happened(found, since=0),
        "unanswered": sum(ask.order_id is None and not ask.refused for ask in found.record.asks.values()),
        "orders": len(found.lives),
        "kept": sum(life.kept for life in found.lives.values()),
        "events": len(found.log.events),
        "published_again": sum(max(said.copies - 1, 0) for said in found.log.events.values()),
        "log_gaps": sum(not said.copies for said in found.log.events.values()),
        "mails": len(found.mails),
        "mails_repeated": sum(len(mails) - 1 for mails in by_matter(found).values()),
        "injected": len(found.log.strange) + len(found.wrong),
        "dead": sum(len(books.dead) for books in found.books.values()),
        "discarded": sum(len(books.discarded) for books in found.books.values()),
        "faults": len(found.record.faults),
    }


def _happened(found: Evidence, since: float) -> dict[str, int]:
    """What makes an audit worth something, since that time."""
    rejections = [said for said in found.said("catalog.stock-rejected") if said.at.timestamp() >= since]
    reasons = Counter(line["reason"] for said in rejections for line in said.body["lines"])
    return {
        "accepted": sum(ask.order_id is not None and ask.at >= since for ask in found.record.asks.values()),
        "rejected": len(rejections),
        "contended": reasons["sold-out"],
    }


def _empty_victory(found: Evidence, least: Least) -> list[str]:
    """Why nothing would be proved although nothing was found."""
    happened = _happened(found, least.since)
    floors = {"accepted": least.orders, "rejected": least.rejected, "contended": least.contended}
    placed = sum(1 for _ in found.said("checkout.order-placed"))
    hint = f"of {placed:,} in all" if placed else "send customers first: ./marketplace traffic --rate 5 --duration 10"
    whose = f"; only simulated shoppers write down what they were promised ({hint})"
    counted = {"accepted": whose}
    short = [
        f"too little happened: {happened[name]} {name}, where at least {floor} prove something{counted.get(name, '')}"
        for name, floor in floors.items()
        if happened[name] < floor
    ]
    toothless = dict.fromkeys(
        f"the fault {fault.kind} of {fault.part} was never seen to bite"
        for fault in found.record.faults
        if fault.bite is False and fault.began >= least.since
    )
    return [*short, *toothless]


def _discarded(found: Evidence, since: float) -> list[str]:
    """What people took off the file since then: its effects are missing, and whether they should be is their word."""
    injected = was_injected(found)
    letters = Counter(
        (service, row["subscription"], row["by"], row["note"])
        for service, books in found.books.items()
        for row in books.discarded
        if row["at"].timestamp() >= since and not injected(row)
    )
    return [
        f"dead letters of {service}.{subscription} that {by} discarded, injected by no fault: {number} ({note})"
        for (service, subscription, by, note), number in letters.items()
    ]
