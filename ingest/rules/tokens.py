"""The words of an expression: text in, tokens with their columns out.

Metric names are letters, digits, underscores and dots (`temp_c`, `motor.rpm`, `zone.2.co`). A
name with other characters, or one that is a keyword, goes in backticks: `` `flow m³/h` > 3 ``.
Text goes in single or double quotes. A quote inside its own kind of quotes is written twice.
A column is the position in the whole text, from 1; a line break counts as one character.
"""

import re
from dataclasses import dataclass
from enum import StrEnum

MAX_TEXT = 4096
"""Characters of an expression: a page of text. Bounds what one rule can cost to read."""

KEYWORDS = frozenset({"and", "or", "not", "true", "false"})

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
  | (?P<number>(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?(?P<tail>[\w.]*))
  | (?P<name>[^\W\d]\w*(?:\.\w+)*)
  | (?P<quoted>'(?:[^']|'')*' | "(?:[^"]|"")*" | `(?:[^`]|``)*`)
  | (?P<foreign>&&|\|\||<>|=>|===|!==|\*\*|=(?!=)|!(?!=)|&|\||\^)
  | (?P<symbol><=|>=|==|!=|[-<>+*/%(),])
    """,
    re.VERBOSE,
)
# What other languages write, and what it is called here.
_FOREIGN = {
    "&&": "and", "&": "and", "||": "or", "|": "or", "!": "not", "=": "==", "<>": "!=", "===": "==",
    "!==": "!=", "=>": ">=",
}  # fmt: skip


class ExpressionError(ValueError):
    """An expression that cannot be a rule: `str()` names the place and the reason."""

    def __init__(self, message: str, column: int) -> None:
        super().__init__(message)
        self.message = message
        self.column = column


class Kind(StrEnum):
    NUMBER = "number"
    TEXT = "text"
    NAME = "name"
    SYMBOL = "symbol"  # operators, brackets, comma and the keywords
    END = "end"


@dataclass(frozen=True, slots=True)
class Token:
    """`text` is what it stands for: a name without backticks, a text without quotes."""

    kind: Kind
    text: str
    column: int
    quoted: bool = False


def tokenize(text: str) -> list[Token]:
    """The tokens of `text`, the last one of kind END.

    Raises ExpressionError.
    """
    if len(text) > MAX_TEXT:
        raise ExpressionError(
            f"the expression has {len(text)} characters; expected at most {MAX_TEXT}", MAX_TEXT + 1
        )
    tokens: list[Token] = []
    at = 0
    while at < len(text):
        found = _TOKEN.match(text, at)
        if found is None:
            raise _stray(text, at)
        if found["space"] is None:
            tokens.append(_token(found, at + 1))
        at = found.end()
    tokens.append(Token(Kind.END, "", len(text.rstrip()) + 1))
    return tokens


def _token(found: re.Match[str], column: int) -> Token:
    word = found[0]
    if found["name"] is not None:
        return Token(Kind.SYMBOL if word in KEYWORDS else Kind.NAME, word, column)
    if found["symbol"] is not None:
        return Token(Kind.SYMBOL, word, column)
    if found["quoted"] is not None:
        quote = word[0]
        inner = word[1:-1].replace(quote * 2, quote)
        if quote != "`":
            return Token(Kind.TEXT, inner, column, quoted=True)
        if not inner:
            raise ExpressionError(f"the name in backticks at column {column} is empty", column)
        return Token(Kind.NAME, inner, column, quoted=True)
    if found["foreign"] is not None:
        hint = f"; did you mean {_FOREIGN[word]}?" if word in _FOREIGN else ""
        raise ExpressionError(f"{word!r} at column {column} is not an operator{hint}", column)
    if found["tail"]:
        raise ExpressionError(
            f"{word[:32]!r} at column {column} is not a number; durations go in quotes, as in '5m',"
            " and names that start with a digit in backticks",
            column,
        )
    if float(word) == float("inf"):
        raise ExpressionError(
            f"number {word[:32]} at column {column} is too large; expected less than 1.8e308",
            column,
        )
    return Token(Kind.NUMBER, word, column)


def _stray(text: str, at: int) -> ExpressionError:
    character, column = text[at], at + 1
    if character in "'\"`":
        what = "name" if character == "`" else "text"
        return ExpressionError(
            f"the {what} that starts at column {column} is not closed;"
            f" expected another {character}",
            column,
        )
    return ExpressionError(
        f"{character!r} at column {column} is no part of an expression;"
        " expected metrics, numbers, text in quotes and operators",
        column,
    )
