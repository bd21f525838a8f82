"""Alarm lifecycle: states, transitions, timers."""
