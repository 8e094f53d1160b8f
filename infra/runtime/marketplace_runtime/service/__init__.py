"""Defines a service as a table, and runs it as a process."""

from marketplace_runtime.service.discovery import load_services
from marketplace_runtime.service.http_api import openapi_of
from marketplace_runtime.service.lifecycle import run
from marketplace_runtime.service.messaging import Messaging
from marketplace_runtime.service.service import Service

__all__ = ["Messaging", "Service", "load_services", "openapi_of", "run"]
