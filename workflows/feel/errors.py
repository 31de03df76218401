"""Errors and limits of expressions."""

from __future__ import annotations

from dataclasses import dataclass, replace

from workflows.contract import WorkflowError


class ExpressionError(WorkflowError):
    """An expression cannot be read or stopped while running.

    ``place`` says where it stands ("Element pruefen, Bedingung"), ``position`` is the character it is about.
    """

    def __init__(self, message: str, *, place: str = "", source: str = "", position: int | None = None) -> None:
        self.message, self.place, self.source, self.position = message, place, source, position
        super().__init__(message)

    def __str__(self) -> str:
        where = f"{self.place}: " if self.place else ""
        text = f" (in „{_shorten(self.source)}“)" if self.source else ""
        return f"{where}{self.message}{text}"

    def at(self, place: str, source: str = "") -> ExpressionError:
        """The same error with its place filled in; what is already known stays."""
        return ExpressionError(
            self.message, place=self.place or place, source=self.source or source, position=self.position
        )


def _shorten(text: str, limit: int = 120) -> str:
    line = " ".join(text.split())
    return line if len(line) <= limit else line[: limit - 1] + "…"


@dataclass(frozen=True)
class Limits:
    """Bounds of one expression. They stop what never ends; honest models stay far below."""

    source: int = 20_000
    """characters of one expression"""
    depth: int = 100
    """nesting of the syntax tree"""
    steps: int = 100_000
    """iterations and function calls of one evaluation"""
    items: int = 10_000
    """entries of one list"""
    text: int = 100_000
    """characters of one string"""
    digits: int = 400
    """exponent of one number"""

    def with_steps(self, steps: int) -> Limits:
        return replace(self, steps=steps)


LIMITS = Limits()
