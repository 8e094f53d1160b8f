"""The independent audit: was an order lost, charged twice, oversold or shipped twice?

It computes from outside: the simulator's record, the ledgers of payment providers, carriers and the mail sink, its own
capture of every event, the public API, and read-only looks into the databases. Of the marketplace's code it shares
`contracts` alone.
"""

from infra.lab.audit.invariants import INVARIANTS
from infra.lab.audit.judge import Least, Verdict, Violation, audit
from infra.lab.audit.record import Fault
from infra.lab.audit.sources import Sources, Unreadable

__all__ = ["INVARIANTS", "Fault", "Least", "Sources", "Unreadable", "Verdict", "Violation", "audit"]
