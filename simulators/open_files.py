"""The operating system's limit on open files, which is a limit on devices."""

import sys

SPARE_FILES = 64
"""Files that are open besides the devices' sockets."""


def allow_sockets(devices: int) -> None:
    """Raises the soft limit on open files as far as that many devices need.

    Raises ValueError when the hard limit forbids it.
    """
    if sys.platform == "win32":
        return
    import resource

    needed = devices + SPARE_FILES
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= needed:
        return
    if hard != resource.RLIM_INFINITY and hard < needed:
        raise ValueError(
            f"devices {devices} need {needed} open files; expected a limit of that size, "
            f"but it is {hard} (see `ulimit -Hn`)"
        )
    resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))
