"""Generates new services and events. A new service has the same modules as the others, and works at once."""

from infra.lab.scaffold.event import new_event
from infra.lab.scaffold.plan import Plan, Refused
from infra.lab.scaffold.service import new_service

__all__ = ["Plan", "Refused", "new_event", "new_service"]
