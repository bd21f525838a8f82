"""What people see: the HTTP API, the event stream and the page."""

from tocsin.dashboard.settings import Settings

__all__ = ["Settings"]
