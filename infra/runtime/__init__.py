"""Runs a service from its table, and finds all services."""

from infra.messaging import on, subscription
from infra.runtime.discovery import load_services, service_names
from infra.runtime.heap import settle_heap
from infra.runtime.lifecycle import run
from infra.runtime.service import Service

__all__ = ["Service", "load_services", "on", "run", "service_names", "settle_heap", "subscription"]
