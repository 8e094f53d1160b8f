"""Whatever is lost, repeated, delayed or reordered between a shipment and two carriers, one parcel leaves at most."""

from tests.unit.delivery.machine import Deliveries

TestDeliveries = Deliveries.TestCase
