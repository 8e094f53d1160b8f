"""Whatever is lost, repeated, late or out of order between a shipment and two carriers, at most one parcel leaves."""

from tests.unit.delivery.machine import Deliveries

TestDeliveries = Deliveries.TestCase
