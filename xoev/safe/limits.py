"""How much of anything one document may bring, and the error when it is too much."""

from __future__ import annotations

from dataclasses import dataclass

from xoev.report import Fault

MEGABYTE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Limits:
    """Upper bounds for reading. The defaults suit a worker of 250 MB.

    ``max_nodes`` counts elements and attributes of a whole XML document (a node
    costs about 200 bytes once parsed) and values of a JSON document.
    ``max_text`` may not exceed 10,000,000: libxml2 refuses more by itself.
    """

    max_bytes: int = 32 * MEGABYTE
    max_depth: int = 100
    max_attributes: int = 1_000
    max_nodes: int = 500_000
    max_text: int = 10_000_000
    max_entries: int = 2_000
    max_entry_bytes: int = 512 * MEGABYTE
    max_total_bytes: int = 1024 * MEGABYTE
    max_ratio: int = 200
    max_nesting: int = 2
    max_name: int = 255


class UnsafeInput(ValueError):  # noqa: N818 - part of the room's contract
    """The input is malformed or dangerous and was not read; ``fault`` says why."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def refuse(code: str, message: str, *, line: int | None = None, path: str = "") -> UnsafeInput:
    """Make the error for one reason."""
    return UnsafeInput(Fault(line, path, code, message))


def check_size(data: bytes, limits: Limits) -> None:
    """Raise ``input.empty`` or ``input.size``."""
    if not data:
        raise refuse("input.empty", "Die Datei ist leer (0 Byte).")
    if len(data) > limits.max_bytes:
        raise refuse(
            "input.size",
            f"Die Datei ist {readable_size(len(data))} groß; erlaubt sind {readable_size(limits.max_bytes)}.",
        )


def readable_size(size: int) -> str:
    """``1536`` -> ``1,5 KB``, as people in Germany write it."""
    value, unit = float(size), "Byte"
    for unit in ("Byte", "KB", "MB", "GB"):
        if value < 1024 or unit == "GB":
            break
        value /= 1024
    text = f"{value:.0f}" if unit == "Byte" or value >= 100 else f"{value:.1f}".replace(".", ",").removesuffix(",0")
    return f"{text} {unit}"
