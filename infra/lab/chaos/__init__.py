"""Fault injection: kinds of faults, schedules of faults, and runs that measure how the marketplace copes.

Every fault acts on a `Site`: a running stack, and the resources that this process holds for faults.
"""

from infra.lab.chaos.effect import (
    begin,
    end,
    end_all_faults,
    in_effect,
    observe_effect,
    record_process_faults_ended,
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
    "heal",
    "in_effect",
    "observe_effect",
    "open_site",
    "record_process_faults_ended",
    "wait_in_effect",
]
