"""Fault injection: kinds of faults, schedules of faults, and runs that measure how the marketplace copes.

Every fault acts on a `Site`: a running stack, with what this process holds open for its faults.
"""

from infra.lab.chaos.effect import (
    begin,
    end,
    end_all_faults,
    end_process_faults,
    in_effect,
    observe_effect,
    wait_in_effect,
)
from infra.lab.chaos.fault import Fault
from infra.lab.chaos.healing import heal
from infra.lab.chaos.journal import Journal
from infra.lab.chaos.kinds import KINDS, check_fault
from infra.lab.chaos.site import Site, open_site

__all__ = [
    "KINDS",
    "Fault",
    "Journal",
    "Site",
    "begin",
    "check_fault",
    "end",
    "end_all_faults",
    "end_process_faults",
    "heal",
    "in_effect",
    "observe_effect",
    "open_site",
    "wait_in_effect",
]
