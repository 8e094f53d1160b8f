"""Replays the log stream to one subscription."""
