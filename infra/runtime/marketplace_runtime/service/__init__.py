"""Defines a service as a table, and runs it as a process."""

from marketplace_runtime.service.discovery import load_services
from marketplace_runtime.service.exposure import Exposed, anyone, caller
from marketplace_runtime.service.http_api import openapi_of
from marketplace_runtime.service.lifecycle import run
from marketplace_runtime.service.messaging import Messaging
from marketplace_runtime.service.service import Service

__all__ = ["Exposed", "Messaging", "Service", "anyone", "caller", "load_services", "openapi_of", "run"]
