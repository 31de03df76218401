"""Hostile and broken JSON: a code, a line and a column for a person."""

from __future__ import annotations

import pytest

from xoev.safe import Limits, UnsafeInput, parse_json

REFUSED = {
    "nothing": (b"", "input.empty"),
    "nested-10000-deep": (b"[" * 10_000 + b"]" * 10_000, "json.depth"),
    "objects-10000-deep": (b'{"a":' * 10_000 + b"1" + b"}" * 10_000, "json.depth"),
    "brackets-after-an-open-string": (b'["' + b"[" * 10_000, "json.truncated"),
    "nan": (b'{"a": NaN}', "json.number"),
    "infinity": (b"[-Infinity]", "json.number"),
    "leading-zero": (b'{"a": 01}', "json.number"),
    "trailing-garbage": (b'{"a": 1} x', "json.trailing"),
    "two-values": (b"{}{}", "json.trailing"),
    "byte-order-mark": (b"\xef\xbb\xbf{}", "json.bom"),
    "invalid-utf-8": (b'{"a": "\xff"}', "json.encoding"),
    "utf-16": ("{}".encode("utf-16"), "json.encoding"),
    "lone-surrogate": (b'{"a": "\\ud800"}', "json.string"),
    "line-break-in-string": (b'{"a": "x\ny"}', "json.string"),
    "truncated": (b'{"a": [1, 2', "json.truncated"),
    "missing-comma": (b'{"a": 1 "b": 2}', "json.syntax"),
    "single-quotes": (b"{'a': 1}", "json.syntax"),
    "key-twice": (b'{"a": 1,\n "a": 2}', "json.duplicate-key"),
    "key-twice-by-escape": (b'{"\\u0061": 1, "a": 2}', "json.duplicate-key"),
    "too-many-values": (b"[" + b"1," * 600_000 + b"1]", "json.nodes"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses(name: str) -> None:
    data, code = REFUSED[name]
    with pytest.raises(UnsafeInput) as caught:
        parse_json(data)
    assert caught.value.fault.code == code


def test_names_line_and_column() -> None:
    with pytest.raises(UnsafeInput) as caught:
        parse_json('{"straße": 1,\n  "straße": 2}'.encode())
    assert caught.value.fault.line == 2
    assert caught.value.fault.message.startswith("Zeile 2, Spalte 3: Der Name „straße“")


def test_equal_keys_in_different_objects_are_fine() -> None:
    assert parse_json(b'[{"a": ":"}, {"a": {"a": "b:c\\""}}]') == [{"a": ":"}, {"a": {"a": 'b:c"'}}]


def test_limits_are_the_callers() -> None:
    with pytest.raises(UnsafeInput, match="erlaubt sind 4 Byte"):
        parse_json(b"[1, 2]", limits=Limits(max_bytes=4))
