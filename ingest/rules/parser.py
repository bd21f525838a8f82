"""From text to the tree of `expression.py`: a Pratt parser.

How tightly operators bind, loosest first: `or`, `and`, `not`, comparisons (which chain, as in
`10 < temp_c <= 20`), `+ -`, `* / %`, unary `-`. `and` and `or` in a row are one node.
"""

from collections.abc import Sequence
from typing import Final, Literal, cast

from tocsin.ingest.rules.expression import (
    Arithmetic,
    Call,
    Comparison,
    Expression,
    Logical,
    Metric,
    Number,
    Text,
    Truth,
    Unary,
)
from tocsin.ingest.rules.tokens import KEYWORDS, ExpressionError, Kind, Token, tokenize

MAX_DEPTH = 64
"""Levels of a tree, and of brackets. Whoever walks a tree may recurse without fear."""

MAX_NODES = 500
"""Nodes of a tree: bounds what one rule can cost to judge."""

_OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _NEGATE = range(1, 8)
BINDING: Final = {
    "or": _OR,
    "and": _AND,
    **dict.fromkeys(("<", "<=", ">", ">=", "==", "!="), _COMPARE),
    **dict.fromkeys(("+", "-"), _SUM),
    **dict.fromkeys(("*", "/", "%"), _PRODUCT),
}
_STARTS = "a metric, a number, text in quotes, a function or '('"


def parse(text: str) -> Expression:
    """The tree of `text`; what its names mean is not checked.

    Raises ExpressionError, which names the column and the reason.
    """
    return _Parser(tokenize(text)).whole()


class _Parser:
    """Owns the place in the tokens. Each method returns a node and the height of its tree."""

    def __init__(self, tokens: Sequence[Token]) -> None:
        self._tokens = tokens
        self._at = 0
        self._nodes = 0

    def whole(self) -> Expression:
        if self._peek().kind is Kind.END:
            raise ExpressionError(
                "the expression is empty; expected a condition, as in temp_c > 80", 1
            )
        tree, _ = self._expression(0, 1)
        if self._peek().kind is not Kind.END:
            raise self._unexpected("an operator such as and, or, >, +")
        return tree

    def _peek(self) -> Token:
        return self._tokens[self._at]

    def _advance(self) -> Token:
        token = self._peek()
        self._at += 1
        return token

    def _is(self, symbol: str) -> bool:
        return self._peek().kind is Kind.SYMBOL and self._peek().text == symbol

    def _node(self, node: Expression, *heights: int) -> tuple[Expression, int]:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            raise ExpressionError(
                f"the expression has more than {MAX_NODES} parts at column {node.column}",
                node.column,
            )
        height = 1 + max(heights, default=0)
        if height > MAX_DEPTH:
            raise _too_deep(node.column)
        return node, height

    def _expression(self, loosest: int, level: int) -> tuple[Expression, int]:
        """What follows, up to the first operator that binds no tighter than `loosest`."""
        if level > MAX_DEPTH:
            raise _too_deep(self._peek().column)
        left, height = self._prefix(loosest, level)
        while self._peek().kind is Kind.SYMBOL:
            operator = self._peek().text
            binding = BINDING.get(operator, 0)
            if binding <= loosest:
                break
            if binding in (_OR, _AND, _COMPARE):
                left, height = self._row(left, height, binding, level)
            else:
                self._advance()
                right, other = self._expression(binding, level + 1)
                symbol = cast('Literal["+", "-", "*", "/", "%"]', operator)
                left, height = self._node(
                    Arithmetic(symbol, left, right, left.column), height, other
                )
        return left, height

    def _row(
        self, first: Expression, height: int, binding: int, level: int
    ) -> tuple[Expression, int]:
        """`first` and everything that operators of this binding string onto it, as one node."""
        operands, operators, heights = [first], list[str](), [height]
        while self._peek().kind is Kind.SYMBOL and BINDING.get(self._peek().text) == binding:
            operators.append(self._advance().text)
            operand, other = self._expression(binding, level + 1)
            operands.append(operand)
            heights.append(other)
        if binding == _COMPARE:
            symbols = cast('list[Literal["<", "<=", ">", ">=", "==", "!="]]', operators)
            node = Comparison(tuple(operands), tuple(symbols), first.column)
        else:
            word: Literal["and", "or"] = "and" if binding == _AND else "or"
            node = Logical(word, tuple(operands), first.column)
        return self._node(node, *heights)

    def _prefix(self, loosest: int, level: int) -> tuple[Expression, int]:
        token = self._peek()
        match token.kind:
            case Kind.NUMBER:
                self._advance()
                return self._node(Number(float(token.text), token.column))
            case Kind.TEXT:
                self._advance()
                return self._node(Text(token.text, token.column))
            case Kind.NAME:
                self._advance()
                if self._is("(") and not token.quoted:
                    return self._call(token, level)
                return self._node(Metric(token.text, token.column))
            case Kind.SYMBOL:
                return self._symbol(token, loosest, level)
            case Kind.END:
                raise self._unexpected(_STARTS)

    def _symbol(self, token: Token, loosest: int, level: int) -> tuple[Expression, int]:
        match token.text:
            case "true" | "false":
                self._advance()
                return self._node(Truth(token.text == "true", token.column))
            case "-":
                self._advance()
                operand, height = self._expression(_NEGATE, level + 1)
                return self._node(Unary("-", operand, token.column), height)
            case "not":
                if loosest > _NOT:
                    raise ExpressionError(
                        f"'not' at column {token.column} needs brackets here, as in (not …)",
                        token.column,
                    )
                self._advance()
                # `not not a`: as loose as itself, one looser than a comparison.
                operand, height = self._expression(_NOT, level + 1)
                return self._node(Unary("not", operand, token.column), height)
            case "(":
                self._advance()
                inside = self._expression(0, level + 1)
                self._close(token)
                return inside
            case _:
                raise self._unexpected(_STARTS)

    def _call(self, name: Token, level: int) -> tuple[Expression, int]:
        bracket = self._advance()
        arguments, heights = list[Expression](), list[int]()
        while not self._is(")"):
            argument, height = self._expression(0, level + 1)
            arguments.append(argument)
            heights.append(height)
            if not self._is(","):
                break
            self._advance()
            if self._is(")"):
                raise self._unexpected("another argument")
        self._close(bracket)
        return self._node(Call(name.text, tuple(arguments), name.column), *heights)

    def _close(self, bracket: Token) -> None:
        if not self._is(")"):
            if self._peek().kind is Kind.END:
                raise ExpressionError(
                    f"'(' at column {bracket.column} is not closed;"
                    f" expected ')' at column {self._peek().column}",
                    bracket.column,
                )
            raise self._unexpected("')' or an operator")
        self._advance()

    def _unexpected(self, expected: str) -> ExpressionError:
        token = self._peek()
        if token.kind is Kind.END:
            message = f"the expression ends at column {token.column}; expected {expected}"
        else:
            if token.kind is Kind.NAME and token.text.lower() in KEYWORDS and not token.quoted:
                expected = token.text.lower()
            shown = token.text if len(token.text) <= 32 else token.text[:31] + "…"
            message = f"unexpected {shown!r} at column {token.column}; expected {expected}"
        return ExpressionError(message, token.column)


def _too_deep(column: int) -> ExpressionError:
    return ExpressionError(
        f"the expression is nested too deep at column {column};"
        f" expected at most {MAX_DEPTH} levels",
        column,
    )
