"""Topic names and topic filters: what is well formed, and what a filter covers."""


def check_topic(topic: str) -> None:
    """Raises ValueError unless a message may be published to `topic`."""
    if not topic:
        raise ValueError("topic is empty; expected at least one character")  # [MQTT-4.7.3-1]
    for wildcard in "+#":
        if wildcard in topic:  # [MQTT-3.3.2-2]
            raise ValueError(f"topic {topic[:64]!r} has {wildcard!r}; expected no wildcard")


def check_filter(topic_filter: str) -> None:
    """Raises ValueError unless `topic_filter` may be subscribed to."""
    if not topic_filter:
        raise ValueError("filter is empty; expected at least one character")  # [MQTT-4.7.3-1]
    if "+" not in topic_filter and "#" not in topic_filter:
        return
    *front, last = topic_filter.split("/")
    for level in front:
        if "#" in level:  # [MQTT-4.7.1-2]
            raise ValueError(f"filter {topic_filter[:64]!r} has '#' inside; expected it last")
        _check_plus(level, topic_filter)
    if "#" in last and last != "#":  # [MQTT-4.7.1-2]
        raise ValueError(f"filter {topic_filter[:64]!r} has a mixed level; expected '#' alone")
    _check_plus(last, topic_filter)


def _check_plus(level: str, topic_filter: str) -> None:
    if "+" in level and level != "+":  # [MQTT-4.7.1-3]
        raise ValueError(f"filter {topic_filter[:64]!r} has a mixed level; expected '+' alone")


def has_wildcard(topic_filter: str) -> bool:
    return "+" in topic_filter or "#" in topic_filter


SHARED = "$share/"


def is_shared(topic_filter: str) -> bool:
    """True for a shared subscription: `$share/{group}/{filter}` (MQTT 5, 4.8.2)."""
    return topic_filter.startswith(SHARED)


def split_shared(topic_filter: str) -> tuple[str, str]:
    """Group and filter of a shared subscription. Raises ValueError when one is missing."""
    group, slash, inner = topic_filter[len(SHARED) :].partition("/")
    if not group or "+" in group or "#" in group:  # [MQTT-4.8.2-1] [MQTT-4.8.2-2]
        raise ValueError(f"filter {topic_filter[:64]!r} has no group; expected $share/group/filter")
    if not slash or not inner:
        raise ValueError(f"filter {topic_filter[:64]!r} is cut; expected $share/group/filter")
    return group, inner


def inner_filter(topic_filter: str) -> str:
    """What a filter covers: that of a shared subscription without its group."""
    return (
        topic_filter[len(SHARED) :].partition("/")[2] if is_shared(topic_filter) else topic_filter
    )
