"""Publishes the events that a service committed with its state."""
