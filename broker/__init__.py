"""The embedded MQTT broker: codec, sessions, subscriptions, listeners, limits, access."""
