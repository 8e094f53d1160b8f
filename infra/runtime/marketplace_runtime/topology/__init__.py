"""Declares what the broker must have, and compares it with what it has."""
