"""Whatever gets lost, doubled, late or out of order: the money is where the order says it is."""

from tests.unit.checkout.machine import Marketplace

TestMarketplace = Marketplace.TestCase
