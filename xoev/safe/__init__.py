"""Hostile-proof reading of XML, JSON, ZIP and PDF.

Everything here either returns something safe to work with or raises
:class:`UnsafeInput`, whose ``fault`` has a stable code and a German message.
"""

from .json import parse_json
from .limits import Limits, UnsafeInput
from .media import check_media_type, sniff
from .pdf import inspect_pdf
from .xml import line_of, parse_xml
from .zip import SafeZip, open_zip

__all__ = [
    "Limits",
    "SafeZip",
    "UnsafeInput",
    "check_media_type",
    "inspect_pdf",
    "line_of",
    "open_zip",
    "parse_json",
    "parse_xml",
    "sniff",
]
