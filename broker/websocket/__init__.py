"""MQTT in WebSocket frames: the frames, the handshake, and the transport made of both."""
