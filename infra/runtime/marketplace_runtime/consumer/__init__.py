"""Consumes events: exactly one effect per event and subscription."""
