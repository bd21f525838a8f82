"""Why a command did not do what it was asked: one line for a person, no traceback."""


class Refusal(Exception):
    """The message says what, the value, and what was expected or what to do."""
