"""At most one parcel leaves, whatever messages to and from two carriers are lost, repeated, late or out of order."""

from tests.unit.delivery.machine import Deliveries

TestDeliveries = Deliveries.TestCase
