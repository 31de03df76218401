"""FEEL text to tokens. Linear time: one regular expression without backtracking alternatives."""

from __future__ import annotations

import re
from typing import NamedTuple

from workflows.feel.errors import LIMITS, ExpressionError


class Token(NamedTuple):
    kind: str  # number, string, name, op, end
    text: str
    at: int


_TOKEN = re.compile(
    r"""
    (?P<space>\s+|//[^\n]*|/\*(?:[^*]|\*(?!/))*\*/)
  | (?P<number>(?:\d+(?:\.(?!\.)\d+)?|\.\d+)(?:[eE][+-]?\d+)?)
  | (?P<string>"(?:[^"\\]|\\.)*")
  | (?P<name>[^\W\d]\w*|\?)
  | (?P<op>\*\*|\.\.|<=|>=|!=|==|&&|\|\||[-+*/=<>(),.:\[\]{}@])
    """,
    re.VERBOSE | re.DOTALL,
)
_ESCAPE = re.compile(r"\\(u[0-9a-fA-F]{4}|U[0-9a-fA-F]{6}|.)", re.DOTALL)
_SIMPLE = {"n": "\n", "r": "\r", "t": "\t", '"': '"', "\\": "\\", "'": "'", "b": "\b", "f": "\f", "/": "/"}
_FOREIGN = {"==": "=", "&&": "and", "||": "or"}


def tokens(source: str) -> list[Token]:
    """Every token of ``source`` and an ``end`` token; raises ExpressionError at the first foreign character."""
    if len(source) > LIMITS.source:
        raise ExpressionError(f"Der Ausdruck ist länger als {LIMITS.source} Zeichen.", position=0)
    found: list[Token] = []
    at = 0
    while at < len(source):
        match = _TOKEN.match(source, at)
        if match is None:
            raise ExpressionError(_unexpected(source, at), position=at)
        kind = match.lastgroup or ""
        text = match.group()
        if kind == "op" and text in _FOREIGN:
            raise ExpressionError(f"„{text}“ ist kein FEEL; bitte „{_FOREIGN[text]}“ schreiben.", position=at)
        if kind != "space":
            found.append(Token(kind, text, at))
        at = match.end()
    found.append(Token("end", "", at))
    return found


def _unexpected(source: str, at: int) -> str:
    char = source[at]
    if char == "'":
        return "Texte stehen in FEEL in doppelten Anführungszeichen."
    if char in '"':
        return "Der Text ist nicht geschlossen (Anführungszeichen fehlt)."
    if char in "$#":
        return f"„{char}{{…}}“ ist kein FEEL; bitte den Ausdruck ohne diese Klammer schreiben."
    return f"Unerwartetes Zeichen „{char}“ an Stelle {at + 1}."


def unquote(text: str) -> str:
    """The value of a string token."""
    body = text[1:-1]
    return _ESCAPE.sub(_unescape, body) if "\\" in body else body


def _unescape(match: re.Match[str]) -> str:
    code = match.group(1)
    if len(code) > 1:
        number = int(code[1:], 16)
        return chr(number) if number <= 0x10FFFF else match.group()
    return _SIMPLE.get(code, match.group())
