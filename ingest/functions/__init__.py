"""What a person writes against who adds functions of their own in Python (docs/functions.md)."""

from tocsin.ingest.functions.registration import (
    AlertSeen,
    Reading,
    Readings,
    on_alert,
    on_reading,
    on_readings,
)

__all__ = ["AlertSeen", "Reading", "Readings", "on_alert", "on_reading", "on_readings"]
