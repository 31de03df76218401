"""Standards: identify, validate, read and write what public offices exchange.

``xoev.fim``, ``xoev.xdomea`` and ``xoev.xrechnung`` are loaded when first used:
a process that only delivers needs no schema compiler.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from .identify import identify
from .packs import PackError, Standards
from .report import Fault, Identity, Report
from .safe import Limits, UnsafeInput
from .validate import validate, validate_package
from .view import Row, Section

if TYPE_CHECKING:
    from . import fim, xdomea, xrechnung

__all__ = [
    "Fault",
    "Identity",
    "Limits",
    "PackError",
    "Report",
    "Row",
    "Section",
    "Standards",
    "UnsafeInput",
    "fim",
    "identify",
    "validate",
    "validate_package",
    "xdomea",
    "xrechnung",
]
_LAZY = {"fim", "xdomea", "xrechnung"}


def __getattr__(name: str) -> Any:
    if name in _LAZY:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
