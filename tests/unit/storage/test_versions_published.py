"""Only versions of one event may be published together under one id, the newest first."""

from uuid import UUID

import pytest

from contracts import Event
from contracts.delivery import ShipmentCancelledV1, ShipmentDispatchedV1, ShipmentDispatchedV2, Tracking
from marketplace_runtime.database import check_versions

ORDER, OTHER = (UUID(f"00000000-0000-7000-8000-00000000000{n}") for n in "12")


def old(order_id: UUID = ORDER) -> ShipmentDispatchedV1:
    return ShipmentDispatchedV1(
        order_id=order_id, shipment_id=ORDER, customer_id="ada", carrier="a", tracking_code="A1"
    )


NEW = ShipmentDispatchedV2(
    order_id=ORDER, shipment_id=ORDER, customer_id="ada", tracking=Tracking(carrier="a", code="A1")
)


@pytest.mark.parametrize("versions", [(NEW,), (old(),), (NEW, old())], ids=["new", "old", "both"])
def test_an_event_may_be_published_in_one_or_several_versions(versions: tuple[Event, ...]) -> None:
    check_versions("delivery", *versions)


@pytest.mark.parametrize(
    ("versions", "why"),
    [
        ((old(), NEW), "name the newest version first"),
        ((NEW, NEW), "name the newest version first"),
        ((NEW, old(OTHER)), "is no version of"),
        ((NEW, ShipmentCancelledV1(order_id=ORDER)), "is no version of"),
    ],
)
def test_versions_that_are_not_of_one_event_are_refused(versions: tuple[Event, ...], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_versions("delivery", *versions)


def test_another_services_event_is_refused() -> None:
    with pytest.raises(ValueError, match=r"cart cannot publish delivery\.shipment-dispatched\.v2"):
        check_versions("cart", NEW)
