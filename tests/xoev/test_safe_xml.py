"""Hostile and broken XML: refused with a code and a line, without eating memory."""

from __future__ import annotations

import subprocess
import sys
import textwrap

import pytest

from xoev.safe import Limits, UnsafeInput, parse_xml

BOMB = b'<!DOCTYPE a [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;&a;&a;&a;">]>\n<a>&b;</a>'
EXTERNAL = b'<?xml version="1.0"?>\n<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/hostname">]>\n<a>&e;</a>'
LATIN = '<?xml version="1.0" encoding="ISO-8859-1"?><a>Müller</a>'
MANY_ATTRIBUTES = b"<a " + b" ".join(b'a%d="1"' % number for number in range(100_000)) + b"/>"
REFUSED = {
    "nothing": (b"", "input.empty", None),
    "entity-bomb": (BOMB, "xml.dtd", 1),
    "external-entity": (EXTERNAL, "xml.dtd", 2),
    "harmless-doctype": (b"<!-- x -->\n<!DOCTYPE html>\n<html/>", "xml.dtd", 2),
    "undeclared-entity": (b"<a>\n&nbsp;</a>", "xml.entity", 2),
    "truncated": (b"<a>\n<b>", "xml.truncated", 2),
    "truncated-in-tag": (b"<a>\n<b x='1", "xml.truncated", 2),
    "two-roots": (b"<a/>\n<b/>", "xml.trailing", 2),
    "wrong-end-tag": (b"<a>\n<b></a>", "xml.syntax", 2),
    "no-xml": (b"Sehr geehrte Damen und Herren", "xml.syntax", 1),
    "unbound-prefix": (b"<x:a/>", "xml.namespace", 1),
    "control-character": (b"<a>\x01</a>", "xml.character", 1),
    "latin-1-called-utf-8": ('<?xml version="1.0"?>\n<a>Müller</a>'.encode("latin-1"), "xml.encoding", 2),
    "utf-8-called-latin-1": (LATIN.encode(), "xml.encoding", 1),
    "utf-16-called-utf-8": ('<?xml version="1.0" encoding="UTF-8"?><a/>'.encode("utf-16"), "xml.encoding", 1),
    "utf-8-called-utf-16": (b'<?xml version="1.0" encoding="UTF-16"?><a/>', "xml.encoding", 1),
    "utf-7": (b'<?xml version="1.0" encoding="UTF-7"?><a/>', "xml.encoding", 1),
    "utf-32": ("<a/>".encode("utf-32"), "xml.encoding", None),
    "100000-attributes": (MANY_ATTRIBUTES, "xml.attributes", 1),
    "100000-namespaces": (MANY_ATTRIBUTES.replace(b" a", b" xmlns:a"), "xml.attributes", 1),
    "10-mb-text": (b"<a>\n<b>" + b"x" * 10_500_000 + b"</b></a>", "xml.text", 2),
    "10-mb-attribute": (b'<a x="' + b"x" * 10_500_000 + b'"/>', "xml.text", 1),
    "10-mb-comment": (b"<a><!--" + b"x" * 10_500_000 + b"--></a>", "xml.text", 1),
    "150-deep": (b"<a>" * 150 + b"</a>" * 150, "xml.depth", 1),
    "100000-deep": (b"<a>" * 100_000, "xml.depth", 1),
    "600000-elements": (b"<r>" + b"<a/>" * 600_000 + b"</r>", "xml.nodes", 1),
    "open-brackets": (b"<a " * 500_000, "xml.truncated", 1),
    "over-the-limit": (b"<a>" + b" " * 33_600_000 + b"</a>", "input.size", None),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refuses(name: str) -> None:
    data, code, line = REFUSED[name]
    with pytest.raises(UnsafeInput) as caught:
        parse_xml(data)
    assert (caught.value.fault.code, caught.value.fault.line) == (code, line)
    assert caught.value.fault.message.endswith((".", "?"))


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "iso-8859-1", "windows-1252"])
def test_reads_every_accepted_encoding(encoding: str) -> None:
    declared = encoding.removesuffix("-sig")
    root = parse_xml(f'<?xml version="1.0" encoding="{declared}"?><a>Müller</a>'.encode(encoding))
    assert root.text == "Müller"


def test_doctype_inside_text_is_no_doctype() -> None:
    assert parse_xml(b"<a><![CDATA[<!DOCTYPE html>]]></a>").text == "<!DOCTYPE html>"


def test_a_large_honest_document_is_read() -> None:
    root = parse_xml(b"<r>" + b'<a b="1" c="x=y">text &gt; 1</a>' * 60_000 + b"</r>")
    assert len(root) == 60_000


def test_limits_are_the_callers() -> None:
    with pytest.raises(UnsafeInput, match="tiefer als 2"):
        parse_xml(b"<a><b><c/></b></a>", limits=Limits(max_depth=2))


def test_memory_stays_flat_over_all_attacks() -> None:
    """In a process of its own, because the peak of a process never falls again."""
    code = textwrap.dedent("""
        import resource
        from xoev.safe import UnsafeInput, parse_xml
        def peak(): return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
        parse_xml(b"<a/>")
        big = [lambda: b"<r>" + b"<a/>" * 2_500_000 + b"</r>", lambda: b"<a>" * 3_000_000,
               lambda: b"<a>" + b"x" * 20_000_000 + b"</a>",
               lambda: b"<a " + b" ".join(b'a%d="1"' % n for n in range(300_000)) + b"/>",
               lambda: b'<!DOCTYPE a [' + b'<!ENTITY a "x">' * 500_000 + b']><a/>']
        datas = [make() for make in big]
        before = peak()
        for data in datas:
            try: parse_xml(data)
            except UnsafeInput: pass
            else: raise SystemExit("accepted")
        print(peak() - before)
    """)
    grown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert int(grown.stdout) < 80
