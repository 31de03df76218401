"""The reading view of an invoice: German labels, amounts and dates as on paper."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING

from .leitweg import leitweg_valid
from .view import Row, Section

if TYPE_CHECKING:
    from .xrechnung import Discount, Invoice, InvoiceLine

# Skonto in BT-20, XRechnung specification, BR-DE-18: one line each, days and percent, optionally the basis amount.
SKONTO = re.compile(r"#SKONTO#TAGE=(\d{1,3})#PROZENT=(\d{1,2}\.\d{2})(?:#BASISBETRAG=(-?\d+\.\d{2}))?#")
# UNTDID 1001, the kinds of invoice EN 16931 and XRechnung allow.
_KINDS = {
    "326": "Teilrechnung",
    "380": "Rechnung",
    "381": "Gutschrift (Stornorechnung)",
    "384": "Rechnungskorrektur",
    "386": "Vorauszahlungsrechnung",
    "389": "Gutschrift im Abrechnungsverfahren",
    "751": "Buchungsinformation",
    "875": "Abschlagsrechnung (Bau)",
    "876": "Teilschlussrechnung (Bau)",
    "877": "Schlussrechnung (Bau)",
}


def view_of(invoice: Invoice) -> list[Section]:
    """Like :func:`view`, for an invoice already read. Empty values are left out."""
    reference = invoice.buyer_reference
    if reference and not leitweg_valid(reference):
        reference += " (keine gültige Leitweg-ID)"
    sections = [
        _section("Rechnung", (
            ("Rechnungsnummer", invoice.number, "BT-1"),
            ("Art", _KINDS.get(invoice.kind, f"Rechnungsart {invoice.kind}"), "BT-3"),
            ("Rechnungsdatum", _day(invoice.issue_date), "BT-2"),
            ("Leistungsdatum", _day(invoice.delivery_date), "BT-72"),
            ("Leitweg-ID", reference, "BT-10"),
            ("Bestellnummer", invoice.order_number, "BT-13"),
            ("Vertragsnummer", invoice.contract_number, "BT-12"),
            ("Bezug auf Rechnung", invoice.preceding_invoice, "BT-25"),
            ("Bemerkung", invoice.note, "BT-22"),
        )),
        _section("Beteiligte", (
            ("Rechnungssteller", invoice.supplier_name, "BT-27"),
            ("USt-IdNr. oder Steuernummer", invoice.supplier_vat, "BT-31"),
            ("Rechnungsempfänger", invoice.buyer_name, "BT-44"),
        )),
        _section("Beträge", (
            ("Summe ohne Umsatzsteuer", _money(invoice.net_total, invoice.currency), "BT-109"),
            ("Umsatzsteuer", _money(invoice.tax_total, invoice.currency), "BT-110"),
            ("Gesamtbetrag", _money(invoice.total, invoice.currency), "BT-112"),
            ("Zu zahlen", _money(invoice.payable, invoice.currency), "BT-115"),
        )),
        _section("Zahlung", (
            ("Fällig am", _day(invoice.due_date), "BT-9"),
            *((f"Skonto {_number(item.percent)} %", _until(item), "BT-20") for item in invoice.discounts),
            ("Zahlungsbedingungen", SKONTO.sub("", invoice.payment_terms or "").strip(), "BT-20"),
            ("IBAN", _iban(invoice.iban), "BT-84"),
        )),
    ]  # fmt: skip
    lines = tuple(_line_section(line, invoice.currency) for line in invoice.lines)
    sections.append(Section(f"Positionen ({len(lines)})", (), lines))
    return [section for section in sections if section.rows or section.sections]


def _line_section(line: InvoiceLine, currency: str) -> Section:
    quantity = _number(line.quantity)
    title = f"{line.id}. {line.name}" if line.id.isdigit() else line.name or line.id
    return _section(title, (
        ("Menge", f"{quantity} {_UNITS.get(line.unit or '', line.unit or '')}".strip() if quantity else None, "BT-129"),
        ("Einzelpreis", _money(line.price, currency), "BT-146"),
        ("Umsatzsteuersatz", f"{_number(line.tax_percent)} %" if line.tax_percent is not None else None, "BT-152"),
        ("Nettobetrag", _money(line.net, currency), "BT-131"),
    ))  # fmt: skip


# UN/ECE Rec. 20/21, the units that office invoices are full of.
_UNITS = {
    "C62": "Stück", "H87": "Stück", "XPP": "Stück", "EA": "Stück", "HUR": "Stunden", "DAY": "Tage", "MON": "Monate",
    "ANN": "Jahre", "KGM": "kg", "MTR": "m", "MTK": "m²", "MTQ": "m³", "LTR": "Liter", "KWH": "kWh", "LS": "pauschal",
    "TNE": "t", "KMT": "km", "SET": "Satz", "XBX": "Karton", "MIN": "Minuten",
}  # fmt: skip


def _section(title: str, rows: tuple[tuple[str, str | None, str], ...]) -> Section:
    return Section(title, tuple(Row(label, value, path) for label, value, path in rows if value))


def _day(value: date | None) -> str | None:
    return f"{value:%d.%m.%Y}" if value else None


def _number(value: Decimal | None) -> str | None:
    """``1234.50`` -> ``1.234,5``; no digits are lost."""
    if value is None:
        return None
    text = f"{value:,f}"
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return text.translate(str.maketrans(",.", ".,"))


def _money(value: Decimal | None, currency: str) -> str | None:
    if value is None:
        return None
    # Prices may have more than two decimals; they are shown, not rounded.
    exponent = value.as_tuple().exponent
    places = max(2, -exponent) if isinstance(exponent, int) else 2
    text = f"{value:,.{places}f}".translate(str.maketrans(",.", ".,"))
    return f"{text} {'€' if currency == 'EUR' else currency}".strip()


def _until(item: Discount) -> str:
    basis = f" auf {_money(item.basis, 'EUR')}" if item.basis is not None else ""
    return f"innerhalb von {item.days} Tagen" + (f", bis {_day(item.until)}" if item.until else "") + basis


def _iban(value: str | None) -> str | None:
    """Groups of four, as on paper."""
    plain = re.sub(r"\s", "", value or "")
    return " ".join(plain[start : start + 4] for start in range(0, len(plain), 4)) or None
