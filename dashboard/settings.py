"""Every limit of the dashboard: unit, meaning, default, why."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Settings:
    """All fields have defaults that suit one plant and a few dozen people watching it."""

    hosts: tuple[str, ...] = ()
    """Host names, besides localhost, 127.0.0.1 and [::1], by which browsers may reach the
    dashboard. Anything else gets 421: a page of another site whose name was pointed at our
    address (DNS rebinding) is told apart by the name it still uses."""

    require_login: bool = False
    """Ask for a login on loopback too. Beyond loopback a login is always needed."""

    session_hours: float = 12.0
    """A login lasts this long: a shift and its handover."""

    frame_ms: int = 100
    """Readings are gathered this long before they go to viewers: 10 frames a second look live,
    and leave 150 of the promised 250 ms for everything else."""

    device_refresh_s: float = 2.0
    """A device's counters are sent to viewers at most this often; its values come with frames."""

    viewers: int = 200
    """Open streams. One more is answered with 503."""

    viewer_queue_bytes: int = 4 * 1024 * 1024
    """What may wait for one viewer, about 8 of the largest frames of 2,000 busy devices. Policy:
    disconnect; the viewer comes back and resumes."""

    resume_events: int = 10_000
    """Alert and presence events kept for viewers that come back: an hour at three a second."""

    send_timeout_s: float = 20.0
    """A viewer that takes nothing for this long is gone."""

    login_check_s: float = 1.0
    """The logins of open streams are looked at this often, all in one query: a removed user, or
    one who logged out elsewhere, stops watching."""

    body_bytes: int = 64 * 1024
    """The largest request body. A rule takes 500 bytes."""

    body_timeout_s: float = 10.0
    """A request body has to arrive within this time."""

    password_queue: int = 16
    """Logins that may wait for a password check (one at a time, 64 MiB and about 0.1 s each)."""

    login_failures_free: int = 5
    """Wrong passwords per name and per address before each further one costs a wait."""
