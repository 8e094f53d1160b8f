"""The independent audit: was an order lost, charged twice, oversold or shipped twice?

It computes from outside: the simulator's record, the ledgers of payment providers, carriers and the mail sink, its own
capture of every event, the public API, and read-only looks into the databases. Of the marketplace's code it shares
`contracts` alone.
"""

from infra.audit.invariants import INVARIANTS
from infra.audit.judge import Least, Verdict, Violation, audit
from infra.audit.record import Fault
from infra.audit.sources import Sources, Unreadable

__all__ = ["INVARIANTS", "Fault", "Least", "Sources", "Unreadable", "Verdict", "Violation", "audit"]
