"""What crosses the wire: messages, topics, payload formats, credentials, presence."""
