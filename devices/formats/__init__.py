"""Payload formats: from topic and payload bytes to device, metrics and event time."""

from tocsin.devices.formats.decoder import Decoder
from tocsin.devices.formats.row import Decoded, Rejected, Row, Unclaimed

__all__ = ["Decoded", "Decoder", "Rejected", "Row", "Unclaimed"]
