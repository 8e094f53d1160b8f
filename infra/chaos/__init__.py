"""Faults, schedules of faults, and what the marketplace makes of them."""
