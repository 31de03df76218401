"""FEEL tokens to a syntax tree: a Pratt parser (DMN 1.5, chapter 10.3, without function definitions and types)."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from workflows.feel import nodes as n
from workflows.feel.errors import LIMITS, ExpressionError
from workflows.feel.lexer import Token, tokens, unquote

_COMPARE = {"=", "!=", "<", "<=", ">", ">="}
_POWER = {
    "or": 1, "and": 2, **dict.fromkeys(_COMPARE, 3), "between": 3, "in": 3,
    "+": 4, "-": 4, "*": 5, "/": 5, "**": 6, ".": 8, "[": 8,
}  # fmt: skip
_RESERVED = {"if", "then", "else", "for", "in", "return", "some", "every", "satisfies", "and", "or", "between"}
_CONSTANTS = {"true": True, "false": False, "null": None}
MULTI_WORD = frozenset(
    {
        "string length", "upper case", "lower case", "starts with", "ends with", "list contains", "distinct values",
        "is defined", "substring before", "substring after", "insert before", "index of", "round half up",
        "round half down", "round half even", "round up", "round down", "date and time", "years and months duration",
        "get value", "get entries", "day of week", "day of year", "week of year", "month of year", "string join",
    }
)  # fmt: skip
_LONGEST = max(len(name.split()) for name in MULTI_WORD)


class Parser:
    """Parses one expression or the unary tests of one cell. Depth is bounded by ``LIMITS.depth``."""

    def __init__(self, source: str) -> None:
        self.tokens = tokens(source)
        self.index = 0
        self.depth = 0

    # --- entry points ---

    def expression_only(self) -> n.Node:
        node = self.expression()
        self._expect_end()
        return node

    def unary_tests(self) -> n.Tests:
        """``-``, ``a, b``, ``not(a, b)``, ``< 5``, ``[1..3]`` or any expression that names ``?``."""
        first = self.peek()
        if first.text == "-" and self.peek(1).kind == "end":
            return n.Tests(first.at)
        if first.text == "not" and self.peek(1).text == "(":
            start = self.index
            self.index += 2
            tests = self._tests_until(")")
            if self.peek().kind == "end":
                return n.Tests(first.at, tests, negated=True)
            self.index = start
        tests = self._test_list()
        self._expect_end()
        return n.Tests(first.at, tests)

    # --- expressions ---

    def expression(self, power: int = 0) -> n.Node:
        self.depth += 1
        if self.depth > LIMITS.depth:
            raise ExpressionError(f"Der Ausdruck ist tiefer als {LIMITS.depth} Ebenen geschachtelt.", position=0)
        left = self._prefix(self.next())
        while True:
            token = self.peek()
            binding = _POWER.get(token.text, 0) if token.kind in ("op", "name") else 0
            if binding <= power or self._is_open_range_end(token):
                break
            left = self._infix(left, self.next(), binding)
        self.depth -= 1
        return left

    def _is_open_range_end(self, token: Token) -> bool:
        """``[1..3[``: the bracket closes the range and is no filter (only inside a range's upper end)."""
        return token.text == "[" and self._range_end and self.peek(1).text in ("", ",", ")", "and", "or", "then")

    _range_end = False

    def _prefix(self, token: Token) -> n.Node:
        if token.kind == "number":
            return n.Literal(token.at, _number(token))
        if token.kind == "string":
            return n.Literal(token.at, unquote(token.text))
        if token.kind == "name":
            return self._word(token)
        maker = {"(": self._paren, "[": self._bracket, "]": self._open_range, "{": self._context, "-": self._minus,
                 "@": self._at}.get(token.text)  # fmt: skip
        if maker is None:
            raise self._unexpected(token)
        return maker(token)

    def _word(self, token: Token) -> n.Node:
        special: dict[str, Callable[[Token], n.Node]] = {
            "if": self._if, "for": self._for, "some": self._quantified, "every": self._quantified,
        }  # fmt: skip
        if token.text in special:
            return special[token.text](token)
        if token.text in _CONSTANTS:
            return n.Literal(token.at, _CONSTANTS[token.text])
        if token.text in _RESERVED:
            raise self._unexpected(token)
        name = self._long_name(token)
        if self.peek().text == "(" and self.peek().kind == "op":
            return self._call(name, token)
        return n.Name(token.at, name)

    def _long_name(self, token: Token) -> str:
        """Known names of several words ("string length"), longest first; only before a parenthesis."""
        for length in range(_LONGEST, 1, -1):
            parts = [token, *(self.peek(offset) for offset in range(length - 1))]
            name = " ".join(part.text for part in parts)
            if name in MULTI_WORD and self.peek(length - 1).text == "(":
                self.index += length - 1
                return name
        return token.text

    def _call(self, name: str, token: Token) -> n.Node:
        self.next()
        args: list[n.Node] = []
        named: list[tuple[str, n.Node]] = []
        while self.peek().text != ")":
            if self.peek().kind == "name" and self.peek(1).text == ":":
                key = self.next().text
                self.next()
                named.append((key, self.expression()))
            else:
                args.append(self.expression())
            if not self.accept(","):
                break
        self.expect(")")
        return n.Call(token.at, name, tuple(args), tuple(named))

    def _infix(self, left: n.Node, token: Token, binding: int) -> n.Node:
        if token.text == ".":
            return n.Path(token.at, left, self._key())
        if token.text == "[":
            condition = self.expression()
            self.expect("]")
            return n.Filter(token.at, left, condition)
        if token.text == "between":
            low = self.expression(3)
            self.expect("and")
            return n.Between(token.at, left, low, self.expression(3))
        if token.text == "in":
            return n.In(token.at, left, self._in_tests())
        return n.Binary(token.at, token.text, left, self.expression(binding))

    def _in_tests(self) -> tuple[n.Node, ...]:
        if self.peek().text != "(":
            return (self._test(3),)
        token = self.next()
        first = self._test()
        if self.accept(".."):  # "(1..5]" is a range, not a list of tests
            return (self._range_rest(token, first, closed=False),)
        tests = [first]
        while self.accept(","):
            tests.append(self._test())
        self.expect(")")
        return tuple(tests)

    def _tests_until(self, closing: str) -> tuple[n.Node, ...]:
        tests = self._test_list()
        self.expect(closing)
        return tests

    def _test_list(self) -> tuple[n.Node, ...]:
        tests = [self._test()]
        while self.accept(","):
            tests.append(self._test())
        return tuple(tests)

    def _test(self, power: int = 0) -> n.Node:
        token = self.peek()
        if token.kind == "op" and token.text in _COMPARE:
            self.next()
            return n.Compare(token.at, token.text, self.expression(3))
        return self.expression(power)

    # --- prefix forms ---

    def _minus(self, token: Token) -> n.Node:
        return n.Negate(token.at, self.expression(7))

    def _at(self, token: Token) -> n.Node:
        text = self.next()
        if text.kind != "string":
            raise self._unexpected(text)
        return n.Call(token.at, "@", (n.Literal(text.at, unquote(text.text)),))

    def _paren(self, token: Token) -> n.Node:
        inner = self.expression()
        if self.accept(".."):
            return self._range_rest(token, inner, closed=False)
        self.expect(")")
        return inner

    def _open_range(self, token: Token) -> n.Node:
        low = self.expression()
        self.expect("..")
        return self._range_rest(token, low, closed=False)

    def _bracket(self, token: Token) -> n.Node:
        items: list[n.Node] = []
        while self.peek().text != "]":
            items.append(self.expression())
            if len(items) == 1 and self.accept(".."):
                return self._range_rest(token, items[0], closed=True)
            if not self.accept(","):
                break
        self.expect("]")
        return n.ListNode(token.at, tuple(items))

    def _range_rest(self, token: Token, low: n.Node, *, closed: bool) -> n.Node:
        before, self._range_end = self._range_end, True
        high = self.expression()
        self._range_end = before
        end = self.next()
        if end.text not in ("]", ")", "["):
            raise self._unexpected(end)
        return n.RangeNode(token.at, low, high, closed, end.text == "]")

    def _context(self, token: Token) -> n.Node:
        entries: list[tuple[str, n.Node]] = []
        while self.peek().text != "}":
            key = self._key()
            self.expect(":")
            entries.append((key, self.expression()))
            if not self.accept(","):
                break
        self.expect("}")
        return n.ContextNode(token.at, tuple(entries))

    def _key(self) -> str:
        token = self.next()
        if token.kind == "string":
            return unquote(token.text)
        if token.kind != "name":
            raise self._unexpected(token)
        return token.text

    def _if(self, token: Token) -> n.Node:
        condition = self.expression()
        self.expect("then")
        then = self.expression()
        self.expect("else")
        return n.If(token.at, condition, then, self.expression())

    def _for(self, token: Token) -> n.Node:
        clauses = self._clauses()
        self.expect("return")
        return n.For(token.at, clauses, self.expression())

    def _quantified(self, token: Token) -> n.Node:
        clauses = self._clauses()
        self.expect("satisfies")
        return n.Quantified(token.at, token.text == "every", clauses, self.expression())

    def _clauses(self) -> tuple[tuple[str, n.Node], ...]:
        clauses: list[tuple[str, n.Node]] = []
        while True:
            name = self._key()
            self.expect("in")
            source = self.expression()
            if self.peek().text == "..":
                at = self.next().at
                source = n.RangeNode(at, source, self.expression(), True, True)
            clauses.append((name, source))
            if not self.accept(","):
                return tuple(clauses)

    # --- tokens ---

    def peek(self, offset: int = 0) -> Token:
        return self.tokens[min(self.index + offset, len(self.tokens) - 1)]

    def next(self) -> Token:
        token = self.peek()
        self.index += 1
        return token

    def accept(self, text: str) -> bool:
        token = self.peek()
        if token.text == text and token.kind != "string":
            self.index += 1
            return True
        return False

    def expect(self, text: str) -> None:
        token = self.next()
        if token.text != text or token.kind == "string":
            raise self._unexpected(token, text)

    def _expect_end(self) -> None:
        token = self.peek()
        if token.kind != "end":
            raise self._unexpected(token)

    def _unexpected(self, token: Token, wanted: str = "") -> ExpressionError:
        found = f"„{token.text}“" if token.kind != "end" else "das Ende"
        hint = f", erwartet war „{wanted}“" if wanted else ""
        return ExpressionError(f"Unerwartet ist {found} an Stelle {token.at + 1}{hint}.", position=token.at)


def _number(token: Token) -> Decimal:
    value = Decimal(token.text)
    if not value.is_zero() and abs(value.adjusted()) > LIMITS.digits:
        raise ExpressionError("Die Zahl ist zu groß oder zu klein.", position=token.at)
    return value


def parse_expression(source: str) -> n.Node:
    """The tree of one expression; a leading ``=`` (as modellers write it) is dropped."""
    text = source.strip()
    if text.startswith("=") and not text.startswith("=="):
        text = text[1:]
    if not text.strip():
        raise ExpressionError("Der Ausdruck ist leer.")
    return Parser(text).expression_only()


def parse_tests(source: str) -> n.Tests:
    """The tree of a decision table's input cell; an empty cell means "any"."""
    text = source.strip()
    return Parser(text).unary_tests() if text else n.Tests(0)
