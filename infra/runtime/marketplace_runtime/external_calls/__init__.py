"""Calls to external systems, made once per event although processes may die."""
