"""Whatever is lost, repeated, late or out of order, the providers hold what the order's state says."""

from tests.unit.checkout.machine import Marketplace

TestMarketplace = Marketplace.TestCase
