"""FIM data schemas: load XDatenfelder, check data against them, read and show the data.

Standard: XDatenfelder 2.0 and 3.0.0, FIM-Baustein Datenfelder (FITKO).
"""

from xoev.fim.example import example
from xoev.fim.model import SchemaError
from xoev.fim.schema import DataSchema, load

__all__ = ["DataSchema", "SchemaError", "example", "load"]
