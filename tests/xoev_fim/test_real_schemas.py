"""The schemas of the FIM portal load, compile and describe themselves; broken files are refused with reasons."""

from __future__ import annotations

from pathlib import Path

import pytest
from lxml import etree

from xoev import fim

FIM = Path(__file__).parents[3] / "shared" / "standards" / "fim"
pytestmark = pytest.mark.skipif(not FIM.is_dir(), reason="the public FIM schemas are not here")
SCHEMAS = sorted(FIM.glob("*/schemas/*.xml"))
FIXTURES = FIM / "xdatenfelder-3.0.0" / "parser-fixtures"


@pytest.mark.parametrize("path", SCHEMAS, ids=lambda path: path.name[:12])
def test_real_schemas_make_valid_examples(path: Path) -> None:
    schema = fim.load(path.read_bytes())
    example = fim.example(schema)
    assert schema.check(example) == []
    readable = schema.readable(example)
    assert schema.from_readable(readable) == example
    root = etree.fromstring(schema.write_xml(example))
    assert schema.read_xml(root) == example
    assert schema.check_xml(root) == []
    xsd = etree.XMLSchema(etree.fromstring(schema.to_xsd()))
    assert xsd.validate(root), xsd.error_log
    assert schema.view(example)
    assert schema.form()["elements"]


@pytest.mark.parametrize(
    ("name", "code", "line"),
    [
        ("duplicate-id-node.xml", "fim.duplicate", 11),
        ("empty-id-node.xml", "fim.empty", 10),
        ("invalid-freigabestatus.xml", "fim.status", 17),
    ],
)
def test_wrong_files_are_refused_with_line_and_code(name: str, code: str, line: int) -> None:
    with pytest.raises(fim.SchemaError) as caught:
        fim.load((FIXTURES / name).read_bytes())
    assert [(fault.code, fault.line) for fault in caught.value.faults] == [(code, line)]


@pytest.mark.parametrize("name", ["simple.xml", "xmlstruct-xdf3.xml"])
def test_small_valid_files_load(name: str) -> None:
    assert fim.load((FIXTURES / name).read_bytes()).id
