"""Delivery's use cases declare the events of the service's table."""

from delivery import handlers
from delivery.service import SERVICE
from tests.publishing import require_true_declarations


def test_use_cases_declare_what_the_service_publishes() -> None:
    require_true_declarations(SERVICE, [handlers])
