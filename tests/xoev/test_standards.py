"""Packs are found, installed and used without network; every real sample gets its known verdict."""

from __future__ import annotations

import json
import threading
import zipfile
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

import xoev
from xoev.commands import standards_app, xoev_app

SHARED = Path(__file__).parents[3] / "shared" / "standards"
needs_shared = pytest.mark.skipif(not SHARED.is_dir(), reason="die Standards liegen nicht neben dem Projekt")
UBL = Path(__file__).parent / "data" / "invoice-ubl.xml"

XSD = """<?xml version="1.0" encoding="UTF-8"?>
<xs:schema xmlns:xs="http://www.w3.org/2001/XMLSchema" xmlns="urn:xoev-de:muster:schema:1.0"
           targetNamespace="urn:xoev-de:muster:schema:1.0" version="1.0" elementFormDefault="qualified">
  <xs:annotation><xs:appinfo>
    <standard><nameTechnisch>muster</nameTechnisch><kennung>urn:xoev-de:muster:standard:muster</kennung></standard>
    <versionStandard><version>1.0</version></versionStandard>
  </xs:appinfo></xs:annotation>
  {imports}
  <xs:element name="antrag">
    <xs:complexType><xs:sequence>
      <xs:element name="name" type="Name"/>
      <xs:element name="art" type="Art" minOccurs="0"/>
      <xs:element name="plz" type="Plz" minOccurs="0"/>
      <xs:element name="zahl" type="Zahl" minOccurs="0"/>
      <xs:element name="fest" type="xs:string" fixed="ja" minOccurs="0"/>
    </xs:sequence><xs:attribute name="nr" type="xs:ID"/></xs:complexType>
  </xs:element>
  <xs:simpleType name="Name"><xs:restriction base="xs:string">
    <xs:minLength value="2"/><xs:maxLength value="5"/>
  </xs:restriction></xs:simpleType>
  <xs:simpleType name="Art"><xs:restriction base="xs:string">
    <xs:enumeration value="neu"/><xs:enumeration value="alt"/>
  </xs:restriction></xs:simpleType>
  <xs:simpleType name="Plz"><xs:restriction base="xs:string">
    <xs:pattern value="[0-9]{{5}}"/>
  </xs:restriction></xs:simpleType>
  <xs:simpleType name="Zahl"><xs:restriction base="xs:decimal">
    <xs:minInclusive value="1"/><xs:maxInclusive value="9"/><xs:fractionDigits value="2"/>
  </xs:restriction></xs:simpleType>
</xs:schema>"""


def document(inner: str, attributes: str = "") -> bytes:
    return f'<antrag xmlns="urn:xoev-de:muster:schema:1.0"{attributes}>{inner}</antrag>'.encode()


@pytest.fixture
def pack_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "standards" / "muster" / "1.0"
    folder.mkdir(parents=True)
    (folder / "muster.xsd").write_text(XSD.format(imports=""))
    return tmp_path / "standards"


@pytest.mark.parametrize(
    ("inner", "code", "words"),
    [
        ("<name>A</name>", "schema.length", "zu kurz (1 Zeichen; mindestens 2)"),
        ("<name>Abcdef</name>", "schema.length", "zu lang (6 Zeichen; höchstens 5)"),
        ("<name>Anna</name><art>bunt</art>", "schema.enumeration", "Erlaubt: „neu“, „alt“"),
        ("<name>Anna</name><plz>ABC</plz>", "schema.pattern", "nicht die vorgeschriebene Form"),
        ("<name>Anna</name><zahl>0</zahl>", "schema.range", "mindestens 1"),
        ("<name>Anna</name><zahl>10</zahl>", "schema.range", "höchstens 9"),
        ("<name>Anna</name><zahl>1.234</zahl>", "schema.range", "zu viele Nachkommastellen; erlaubt sind 2"),
        ("<name>Anna</name><zahl>eins</zahl>", "schema.type", "ein Wert vom Typ „Zahl“"),
        ("<name>Anna</name><fest>nein</fest>", "schema.fixed", "„ja“"),
        ("", "schema.missing", "Es fehlt „name“"),
        ("<art>neu</art>", "schema.unexpected", "hier wird „name“ erwartet"),
        ("<name>Anna</name><name>Anna</name>", "schema.unexpected", "„name“ ist an dieser Stelle nicht erlaubt"),
        ("<name>An<b/></name>", "schema.unexpected", "darf keine Elemente enthalten"),
    ],
)
def test_each_rule_has_its_message(pack_folder: Path, inner: str, code: str, words: str) -> None:
    report = xoev.validate(document(inner), standards=xoev.Standards([pack_folder]))
    assert report.validated
    assert [fault.code for fault in report.faults] == [code]
    assert words in report.faults[0].message


def test_unknown_attribute_and_unknown_message(pack_folder: Path) -> None:
    known = xoev.Standards([pack_folder])
    report = xoev.validate(document("<name>Anna</name>", ' farbe="rot"'), standards=known)
    assert [(fault.code, fault.path) for fault in report.faults] == [("schema.attribute", "/antrag")]
    other = xoev.validate(b'<bescheid xmlns="urn:xoev-de:muster:schema:1.0"/>', standards=known)
    assert (other.ok, other.faults[0].code) == (False, "schema.root")


def test_valid_document_names_standard_and_version(pack_folder: Path) -> None:
    report = xoev.validate(document("<name>Anna</name>"), standards=xoev.Standards([pack_folder]))
    assert (report.ok, report.standard, report.version, report.message) == (True, "muster", "1.0", "antrag")


def test_faults_are_capped(pack_folder: Path) -> None:
    (pack_folder / "muster" / "1.0" / "muster.xsd").write_text(
        XSD.format(imports="").replace('name="name" type="Name"', 'name="name" type="Name" maxOccurs="unbounded"')
    )
    report = xoev.validate(document("<name>A</name>" * 500), standards=xoev.Standards([pack_folder]))
    assert len(report.faults) == 101
    assert report.faults[-1].code == "schema.more"


def test_missing_pack_names_the_urn() -> None:
    report = xoev.validate(b'<SGOErstellen.0604 xmlns="urn:xoev-de:xdomea:schema:3.1.0"/>')
    assert (report.ok, report.validated, report.standard, report.version) == (False, False, "xdomea", "3.1.0")
    assert report.faults[0].code == "pack.missing"
    assert "urn:xoev-de:xdomea:kosit:standard:xdomea" in report.faults[0].message


@pytest.mark.parametrize(
    "data", [b"", b"\0", b"<a/>", b"[1]", b'{"a":', b"%PDF-1.7", b"PK\x03\x04", b"MZ", "Grüße".encode()]
)
def test_never_raises(data: bytes) -> None:
    report = xoev.validate(data)
    assert not report.ok
    assert not report.validated
    assert report.faults[0].message


@pytest.mark.parametrize(
    ("namespace", "root", "standard", "version"),
    [
        ("urn:xoev-de:xdomea:schema:2.3.0", "X.0501", "xdomea", "2.3.0"),
        ("http://www.xleitstelle.de/xbau/2/6", "x", "xbau", "2.6"),
        ("http://www.xplanung.de/xplangml/6/0", "XPlanAuszug", "xplanung", "6.0"),
        ("https://gitlab.opencode.de/akdb/xoev/xwasser/-/raw/main/V1_0_0", "x", "xwasser", "1.0.0"),
        ("http://www.xgewerbeanzeige.de/spezifikation/2.2", "x", "xgewerbeanzeige", "2.2"),
        ("http://xoev.de/transport/xta/211", "x", "xta", "2.1.1"),
        ("http://www.osci.de/2002/04/osci", "x", "osci", "1.2"),
        ("urn:xoev-de:fim:standard:xdatenfelder_3.0.0", "x", "xdatenfelder", "3.0.0"),
        ("http://docs.oasis-open.org/codelist/ns/genericode/1.0/", "CodeList", "genericode", "1.0"),
        ("http://www.omg.org/spec/BPMN/20100524/MODEL", "definitions", "bpmn", "2.0"),
        ("https://www.omg.org/spec/DMN/20191111/MODEL/", "definitions", "dmn", "1.3"),
        ("urn:fim:S99000000001:1.0", "antrag", "fim", "S99000000001:1.0"),
    ],
)
def test_identifies_by_namespace(namespace: str, root: str, standard: str, version: str) -> None:
    found = xoev.identify(f'<{root} xmlns="{namespace}"/>'.encode())
    assert found is not None
    assert (found.standard, found.version, found.root) == (standard, version, root)


def test_identifies_our_json_and_nothing_else() -> None:
    found = xoev.identify(b'{"$schema": "urn:fim:S99000000001:1.0"}')
    assert found is not None
    assert found.version == "S99000000001:1.0"
    assert xoev.identify(b'{"a": 1}') is None
    assert xoev.identify(b"<a/>") is None


def test_a_schema_location_in_the_document_is_ignored(pack_folder: Path) -> None:
    location = ' xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance" xsi:schemaLocation="urn:x file:///etc/hostname"'
    assert xoev.validate(document("<name>Anna</name>", location), standards=xoev.Standards([pack_folder])).ok


def test_one_schema_serves_many_threads() -> None:
    data, wrong, verdicts = UBL.read_bytes(), [], []

    def work(number: int) -> None:
        for _ in range(20):
            broken = data.replace(b"2026-11-02", b"kein Datum") if number % 2 else data
            verdicts.append(report := xoev.validate(broken))
            if len(report.faults) != number % 2:
                wrong.append(report)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(verdicts) == 80
    assert not wrong


def run(app: typer.Typer, *arguments: str | Path) -> tuple[int, list[str]]:
    done = CliRunner().invoke(app, [str(argument) for argument in arguments])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, done.output.splitlines()


@pytest.fixture
def data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HUB_DATA", str(tmp_path / "data"))
    monkeypatch.delenv("HUB_STANDARDS", raising=False)
    return tmp_path / "data"


def test_command_validates_every_file_whatever_the_others_are(tmp_path: Path, data_folder: Path) -> None:
    (tmp_path / "leer.xml").touch()
    (tmp_path / "binaer.xml").write_bytes(b"\x7fELF\x00\x01")
    (tmp_path / "plan.xml").write_bytes(b"%PDF-1.7 startxref %%EOF")
    files = [
        tmp_path,
        tmp_path / "leer.xml",
        tmp_path / "fehlt.xml",
        tmp_path / "binaer.xml",
        tmp_path / "plan.xml",
        UBL,
    ]
    code, lines = run(xoev_app, "validate", "--json", *files)
    found = [json.loads(line) for line in lines]
    assert code == 1
    assert [item["faults"][0]["code"] if item["faults"] else "ok" for item in found] == [
        "file.folder", "input.empty", "file.missing", "input.type", "input.type", "ok"
    ]  # fmt: skip
    assert list(found[-1]) == ["file", "ok", "standard", "version", "message", "validated", "faults"]
    assert list(found[0]["faults"][0]) == ["line", "path", "code", "message"]


def test_command_speaks_german(data_folder: Path) -> None:
    code, lines = run(xoev_app, "validate", UBL)
    assert code == 0
    assert lines[0].endswith("in Ordnung (XRechnung 3.0, Invoice)")


def test_add_installs_lists_and_is_used(pack_folder: Path, tmp_path: Path, data_folder: Path) -> None:
    package = tmp_path / "muster.zip"
    with zipfile.ZipFile(package, "w") as out:
        out.write(pack_folder / "muster" / "1.0" / "muster.xsd", "xsd/muster.xsd")
    code, lines = run(standards_app, "add", package, "--json")
    added = json.loads(lines[0])
    assert (code, added["standard"], added["version"]) == (0, "muster", "1.0")
    assert added["urn"] == "urn:xoev-de:muster:standard:muster"
    _, lines = run(standards_app, "list", "--json")
    listed = {item["standard"]: item for item in map(json.loads, lines)}
    assert {"ubl", "cii", "muster"} <= set(listed)
    assert listed["muster"]["changed"] == []
    assert xoev.validate(document("<name>Anna</name>"), standards=xoev.Standards([data_folder / "standards"])).ok
    assert run(standards_app, "add", package)[0] == 0
    schema = data_folder / "standards" / "muster" / "1.0" / "xsd" / "muster.xsd"
    schema.write_text(schema.read_text() + "<!-- -->")
    _, lines = run(standards_app, "list", "--json")
    assert json.loads(lines[-1])["changed"] == ["xsd/muster.xsd"]


def test_add_refuses_what_needs_the_network(pack_folder: Path, data_folder: Path) -> None:
    schema = pack_folder / "muster" / "1.0" / "muster.xsd"
    schema.write_text(XSD.format(imports='<xs:include schemaLocation="https://standards.example/typen.xsd"/>'))
    code, lines = run(standards_app, "add", schema.parent, "--json")
    assert code == 1
    assert "https://standards.example/typen.xsd" in json.loads(lines[0])["faults"][0]["message"]
    assert not (data_folder / "standards" / "muster").exists()


@needs_shared
def test_every_shared_sample_has_its_known_verdict() -> None:
    known = xoev.Standards([SHARED])
    invalid = {
        "monitoring_plan_minimal.xml",
        "BPlan002_5-4_ohneErstellungsMassstab.gml",
        "aendertPlanUndAendertPlanBereich.gml",
    }
    seen = 0
    for folder in ("xdomea/samples", "xplanung/samples/5.4", "xplanung/samples/6.0", "xwasser/1.0.0/samples"):
        for path in sorted((SHARED / folder).rglob("*")):
            if path.suffix in (".xml", ".gml", ".zip"):
                report = xoev.validate(path.read_bytes(), standards=known)
                assert report.validated, (path, report.faults)
                assert report.ok == (path.name not in invalid), (path, report.faults[:3])
                seen += 1
    assert seen > 25


@needs_shared
def test_nothing_in_the_standards_folder_crashes_it() -> None:
    known = xoev.Standards([SHARED])
    for path in sorted(SHARED.rglob("*")):
        if path.suffix in (".xml", ".gml", ".json", ".zip", ".wsdl", ".txt"):
            report = xoev.validate(path.read_bytes(), standards=known)
            assert report.ok or report.faults
            for fault in report.faults:
                assert fault.code not in ("internal", "schema.invalid"), (path, fault)


@needs_shared
def test_every_xbau_message_schema_compiles_offline() -> None:
    known = xoev.Standards([SHARED])
    xbau = next(pack for pack in known.packs if pack.standard == "xbau")
    for path in xbau.files:
        if path.name.startswith("xbau-") and "kernmodul" not in path.name:
            known.compile(path, xbau)
