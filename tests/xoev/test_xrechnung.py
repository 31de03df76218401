"""Invoices: identified, validated, read and shown."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

import xoev
from xoev import xrechnung

DATA = Path(__file__).parent / "data"
UBL = (DATA / "invoice-ubl.xml").read_bytes()
CII = (DATA / "invoice-cii.xml").read_bytes()
SUITE = Path(__file__).parents[3] / "shared" / "standards" / "xrechnung"
needs_suite = pytest.mark.skipif(not SUITE.is_dir(), reason="die XRechnung-Testsuite liegt nicht neben dem Projekt")


@pytest.mark.parametrize(("data", "message"), [(UBL, "Invoice"), (CII, "CrossIndustryInvoice")])
def test_our_samples_are_valid(data: bytes, message: str) -> None:
    report = xoev.validate(data)
    assert (report.ok, report.validated, report.faults) == (True, True, [])
    assert (report.standard, report.version, report.message) == ("xrechnung", "3.0", message)


def test_reads_ubl() -> None:
    invoice = xrechnung.read(UBL)
    assert (invoice.number, invoice.issue_date, invoice.due_date) == (
        "R-2026-0815",
        date(2026, 11, 2),
        date(2026, 12, 2),
    )
    assert (invoice.supplier_name, invoice.supplier_vat) == ("Papier Muster GmbH", "DE123456789")
    assert (invoice.buyer_reference, invoice.order_number) == ("04011000-1234512345-06", "B-4711")
    assert (invoice.total, invoice.tax_total, invoice.currency) == (Decimal("148.75"), Decimal("23.75"), "EUR")
    assert invoice.lines[0].quantity == 50
    assert not invoice.credit_note


def test_reads_cii() -> None:
    invoice = xrechnung.read(CII)
    assert (invoice.number, invoice.issue_date, invoice.due_date) == ("2026/77", date(2026, 11, 5), date(2026, 12, 5))
    assert (invoice.supplier_name, invoice.supplier_vat) == ("Heizungsbau Muster KG", "DE987654321")
    assert (invoice.total, invoice.net_total) == (Decimal("354.03"), Decimal("297.50"))
    assert invoice.iban == "DE02120300000000202051"
    assert invoice.lines[0].unit == "HUR"


def test_skonto_gives_the_earliest_clock() -> None:
    invoice = xrechnung.read(UBL)
    assert [item.days for item in invoice.discounts] == [14, 21]
    assert invoice.discounts[1].basis == Decimal("100.00")
    assert invoice.discount is not None
    assert (invoice.discount.percent, invoice.discount.until) == (Decimal("2.00"), date(2026, 11, 16))


def test_reading_view_is_for_people() -> None:
    rows = {row.label: row.value for section in xrechnung.view(UBL) for row in section.rows}
    assert rows["Zu zahlen"] == "148,75 €"
    assert rows["Rechnungsdatum"] == "02.11.2026"
    assert rows["Skonto 2 %"] == "innerhalb von 14 Tagen, bis 16.11.2026"
    assert rows["Zahlungsbedingungen"] == "Zahlbar innerhalb von 30 Tagen."
    assert rows["IBAN"] == "DE02 1203 0000 0000 2020 51"


@pytest.mark.parametrize(
    ("text", "valid"),
    [
        ("04011000-1234512345-06", True),
        ("04011000-1234512345-07", False),
        ("04011000-1234512354-06", False),
        ("04011000-06", False),
        ("", False),
        ("04011000--06", False),
    ],
)
def test_leitweg_check_digits(text: str, valid: bool) -> None:
    assert xrechnung.leitweg_valid(text) is valid


def test_leitweg_check_digits_are_made() -> None:
    assert xrechnung.leitweg_check_digits("04011000", "1234512345") == "06"
    digits = xrechnung.leitweg_check_digits("07319000", "AMT1")
    assert xrechnung.leitweg_valid(f"07319000-AMT1-{digits}")


TOTALS = "/Invoice/LegalMonetaryTotal"
PAYABLE = b'<cbc:PayableAmount currencyID="EUR">148.75</cbc:PayableAmount>'
TAX = b'<cbc:TaxAmount currencyID="EUR">23.75</cbc:TaxAmount>\n    <cac:TaxSub'
# name: (what stands in the sample, what we make of it, expected code, expected path)
BROKEN = {
    "missing-number": (b"<cbc:ID>R-2026-0815</cbc:ID>", b"", "schema.unexpected", "/Invoice/IssueDate"),
    "missing-totals": (PAYABLE, b"", "schema.missing", TOTALS),
    "date-in-german": (b"<cbc:IssueDate>2026-11-02", b"<cbc:IssueDate>02.11.2026", "schema.type", "/Invoice/IssueDate"),
    "amount-with-comma": (b">148.75</cbc:TaxI", b">148,75</cbc:TaxI", "schema.type", TOTALS + "/TaxInclusiveAmount"),
    "no-currency": (TAX, TAX.replace(b' currencyID="EUR"', b""), "schema.attribute", "/Invoice/TaxTotal/TaxAmount"),
    "unknown-element": (b"<cbc:ProfileID>", b"<cbc:Neu/><cbc:ProfileID>", "schema.unexpected", "/Invoice/Neu"),
    "text-between": (b"<cac:InvoiceLine>", b"<cac:InvoiceLine>Hallo", "schema.text", "/Invoice/InvoiceLine"),
}


@pytest.mark.parametrize("name", BROKEN)
def test_one_fault_one_message(name: str) -> None:
    before, after, code, path = BROKEN[name]
    assert UBL.count(before) == 1
    report = xoev.validate(UBL.replace(before, after))
    assert not report.ok
    assert report.validated
    assert [(fault.code, fault.path) for fault in report.faults] == [(code, path)]
    assert report.faults[0].line
    assert "{" not in report.faults[0].message


def test_messages_name_field_value_and_expectation() -> None:
    report = xoev.validate(UBL.replace(b"<cbc:IssueDate>2026-11-02", b"<cbc:IssueDate>02.11.2026"))
    expected = "„IssueDate“: Der Wert „02.11.2026“ passt nicht; erwartet wird ein Datum in der Form JJJJ-MM-TT."
    assert report.faults[0].message == expected


def test_what_is_no_invoice() -> None:
    with pytest.raises(xoev.UnsafeInput, match="keine elektronische Rechnung"):
        xrechnung.read(b"<a/>")


@needs_suite
def test_whole_testsuite_is_schema_valid_and_readable() -> None:
    files = sorted(
        path for path in SUITE.rglob("*.xml") if "validator-config" not in path.parts and "schematron" not in path.parts
    )
    assert len(files) > 200
    wrong = {path.name for path in files if not xoev.validate(path.read_bytes()).ok}
    # The README of the standards folder: one is schema-invalid, one is no XML on purpose.
    assert wrong == {"ubl005.xml", "ubl007.xml"}
    for path in sorted((SUITE / "testsuite").rglob("*.xml")):
        invoice = xrechnung.read(path.read_bytes())
        assert invoice.number, path
        assert invoice.total is not None, path
        assert invoice.lines, path
        assert xrechnung.view_of(invoice)
