"""Tocsin: hazard telemetry in one process. This package is the composition root.

``tocsin.broker``, ``tocsin.devices``, ``tocsin.ingest``, ``tocsin.dashboard`` and
``tocsin.simulators`` are the folders of those names at the top of the repository.
"""

__version__ = "0.1.0"
