"""`bench gateway`: what the gateway adds to a request, what it costs, and whether a flood harms other users."""

from tests.benchmarks.gateway.measure import measure_gateway
from tests.benchmarks.gateway.report import GatewayFigures, show

__all__ = ["GatewayFigures", "measure_gateway", "show"]
