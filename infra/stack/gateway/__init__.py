"""The gateway: Envoy, with a configuration that is generated from the routes that the services expose."""

from infra.stack.gateway.admin import Admin
from infra.stack.gateway.binary import find_envoy
from infra.stack.gateway.configuration import Configuration
from infra.stack.gateway.exposure import Exposure
from infra.stack.gateway.part import NAME, Gateway
from infra.stack.gateway.rejections import Rejections
from infra.stack.gateway.settings import SETTINGS, GatewaySettings

__all__ = [
    "NAME",
    "SETTINGS",
    "Admin",
    "Configuration",
    "Exposure",
    "Gateway",
    "GatewaySettings",
    "Rejections",
    "find_envoy",
]
