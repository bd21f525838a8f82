"""Telling the world of alerts: channels, a durable outbox, and what sends from it."""
