"""New services and events: the same rooms as in the others, working from the first minute."""

from infra.lab.scaffold.event import new_event
from infra.lab.scaffold.plan import Plan, Refused
from infra.lab.scaffold.service import new_service

__all__ = ["Plan", "Refused", "new_event", "new_service"]
