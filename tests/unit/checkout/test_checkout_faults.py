"""Providers hold what the order's state says, whatever is lost, repeated, late or out of order."""

from tests.unit.checkout.machine import Marketplace

TestMarketplace = Marketplace.TestCase
