"""Devices that are not there: scenarios with ground truth. Knows only the wire."""
