"""Fault injection: kinds of faults, schedules of faults, and runs that measure how the marketplace copes."""

from infra.lab.chaos.effect import begin, bite, end, endured, forget_all, in_effect, undone_by_hand
from infra.lab.chaos.fault import Fault
from infra.lab.chaos.healing import heal
from infra.lab.chaos.journal import Journal
from infra.lab.chaos.kinds import KINDS, checked
from infra.lab.chaos.site import Site, visit

__all__ = [
    "KINDS",
    "Fault",
    "Journal",
    "Site",
    "begin",
    "bite",
    "checked",
    "end",
    "endured",
    "forget_all",
    "heal",
    "in_effect",
    "undone_by_hand",
    "visit",
]
