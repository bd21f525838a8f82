"""Payload formats: from topic and payload bytes to device, metrics, event time."""
