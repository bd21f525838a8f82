"""What the server says about itself."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class About:
    """`mqtt_host` and `mqtt_port` are what a person types to connect a device.

    `loopback` says that the HTTP listener can be reached from this machine only: the one place
    where people are trusted without a login.
    """

    version: str
    mqtt_host: str
    mqtt_port: int
    loopback: bool
    demo: bool = False
