"""Leitweg-ID: the address of the office that an invoice is for (BT-10)."""

from __future__ import annotations

import re

_FORM = re.compile(r"(?P<coarse>\d{2,12})(?:-(?P<fine>[A-Z0-9]{1,30}))?-(?P<check>\d{2})", re.IGNORECASE)


def leitweg_valid(text: str) -> bool:
    """Form and check digits (ISO 7064 MOD 97-10) of a Leitweg-ID, as in the KoSIT format specification.

    >>> leitweg_valid("04011000-1234512345-06")
    True
    """
    if not _FORM.fullmatch(text):
        return False
    digits = "".join(str(int(sign, 36)) for sign in text.replace("-", ""))
    return int(digits) % 97 == 1


def leitweg_check_digits(coarse: str, fine: str = "") -> str:
    """The two check digits for coarse and fine address."""
    digits = "".join(str(int(sign, 36)) for sign in (coarse + fine).replace("-", ""))
    return f"{98 - int(digits + '00') % 97:02d}"
