"""Audits a marketplace from outside: was an order lost, charged twice, oversold or shipped twice?

The audit computes its verdict independently. It reads the simulator's record, the ledgers of payment providers and
carriers, the mail sink, the log stream, the public API and, read-only, the databases. It shares only the event
contracts and their base class with the marketplace's code.
"""

from infra.lab.audit.invariants import INVARIANTS
from infra.lab.audit.judge import MinimumActivity, Verdict, Violation, audit
from infra.lab.audit.record import Fault
from infra.lab.audit.sources import Sources, Unreadable

__all__ = ["INVARIANTS", "Fault", "MinimumActivity", "Sources", "Unreadable", "Verdict", "Violation", "audit"]
