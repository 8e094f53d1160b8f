"""Faults, schedules of faults, and what the marketplace makes of them."""

from infra.chaos.effect import begin, bite, end, endured, forget_all, in_effect, undone_by_hand
from infra.chaos.fault import Fault
from infra.chaos.healing import heal
from infra.chaos.journal import Journal
from infra.chaos.kinds import KINDS, checked
from infra.chaos.site import Site, visit

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
