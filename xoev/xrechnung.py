"""Reading invoices: XRechnung and other EN 16931 invoices in UBL 2.1 and CII.

Business terms are cited as in EN 16931 (BT-1 is the invoice number). Nothing is
guessed: a term that is not in the invoice is ``None``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal, InvalidOperation
from functools import cache

from lxml import etree

from .identify import identify_root
from .invoice_view import SKONTO, view_of
from .leitweg import leitweg_check_digits, leitweg_valid
from .report import Fault, Report
from .safe import parse_xml
from .safe.limits import refuse
from .validate import validate as _validate
from .view import Section

__all__ = [
    "Discount",
    "Invoice",
    "InvoiceLine",
    "leitweg_check_digits",
    "leitweg_valid",
    "read",
    "validate",
    "view",
    "view_of",
]

_NAMESPACES = {
    "cac": "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2",
    "cbc": "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2",
    "ram": "urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100",
    "rsm": "urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100",
    "udt": "urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100",
}
_LEGAL_NAME, _TRADE_NAME = "cac:PartyLegalEntity/cbc:RegistrationName", "cac:PartyName/cbc:Name"
_CII_IBAN = "ram:SpecifiedTradeSettlementPaymentMeans/ram:PayeePartyCreditorFinancialAccount/ram:IBANID"
_CII_DELIVERY = (
    "ram:ApplicableHeaderTradeDelivery/ram:ActualDeliverySupplyChainEvent/ram:OccurrenceDateTime/udt:DateTimeString"
)


@dataclass(frozen=True, slots=True)
class Discount:
    """Skonto: ``percent`` off when paid within ``days`` of the invoice date."""

    days: int
    percent: Decimal
    basis: Decimal | None = None
    until: date | None = None


@dataclass(frozen=True, slots=True)
class InvoiceLine:
    """One invoice line (BG-25)."""

    id: str
    name: str
    quantity: Decimal | None
    unit: str | None
    price: Decimal | None
    net: Decimal | None
    tax_percent: Decimal | None


@dataclass(frozen=True, slots=True)
class Invoice:
    """What the office needs to know of an invoice. Amounts are exact decimals in ``currency``."""

    standard: str
    version: str | None
    syntax: str
    number: str
    kind: str
    issue_date: date | None
    due_date: date | None
    supplier_name: str
    supplier_vat: str | None
    buyer_name: str
    buyer_reference: str | None
    order_number: str | None
    contract_number: str | None
    preceding_invoice: str | None
    currency: str
    net_total: Decimal | None
    tax_total: Decimal | None
    total: Decimal | None
    payable: Decimal | None
    payment_terms: str | None
    discounts: tuple[Discount, ...]
    iban: str | None
    note: str | None
    delivery_date: date | None
    lines: tuple[InvoiceLine, ...]

    @property
    def credit_note(self) -> bool:
        """Whether money flows back."""
        return self.kind == "381"

    @property
    def discount(self) -> Discount | None:
        """The Skonto with the earliest end, the one whose clock matters first."""
        return min(self.discounts, key=lambda item: item.days, default=None)


def validate(data: bytes) -> Report:
    """Validate against UBL 2.1 or CII D22B; anything that is no invoice is a fault."""
    report = _validate(data)
    if report.validated and report.standard not in ("xrechnung", "en16931", "factur-x", "ubl", "cii"):
        return Report.of(
            None, [Fault(None, "", "invoice.none", "Die Datei ist keine elektronische Rechnung.")], validated=False
        )
    return report


def read(data: bytes) -> Invoice:
    """Read an invoice; raises :class:`UnsafeInput` when the XML is unsafe or no invoice.

    The invoice should have been validated: wrong values are read as ``None``, not reported.
    """
    return read_root(parse_xml(data))


def read_root(root: etree._Element) -> Invoice:
    """Like :func:`read`, for XML that was already read safely."""
    identity = identify_root(root)
    if identity is None or identity.message not in ("Invoice", "CreditNote", "CrossIndustryInvoice"):
        raise refuse("invoice.none", "Die Datei ist keine elektronische Rechnung.")
    invoice = _read_cii(root) if identity.message == "CrossIndustryInvoice" else _read_ubl(root)
    return replace(invoice, standard=identity.standard, version=identity.version)


def discounts_of(terms: str | None, issued: date | None) -> tuple[Discount, ...]:
    """Skonto lines in the payment terms (BT-20); text beside them is ignored."""
    found = []
    for days, percent, basis in SKONTO.findall(terms or ""):
        until = issued + timedelta(days=int(days)) if issued else None
        found.append(Discount(int(days), Decimal(percent), Decimal(basis) if basis else None, until))
    return tuple(found)


@cache
def _compiled(path: str) -> etree.XPath:
    return etree.XPath(path, namespaces=_NAMESPACES)


class _Reader:
    """Text, amounts and dates by XPath below one element."""

    def __init__(self, element: etree._Element) -> None:
        self._element = element

    def text(self, *paths: str) -> str | None:
        """The first path that has non-blank text."""
        for path in paths:
            for found in self.all(path):
                value = "".join(str(part) for part in found.itertext()).strip()
                if value:
                    return value
        return None

    def amount(self, *paths: str) -> Decimal | None:
        try:
            value = Decimal(self.text(*paths) or "")
        except InvalidOperation:
            return None
        return value if value.is_finite() else None

    def day(self, *paths: str) -> date | None:
        text = self.text(*paths) or ""
        try:
            return date.fromisoformat(text[:10] if "-" in text else f"{text[:4]}-{text[4:6]}-{text[6:8]}")
        except ValueError:
            return None

    def all(self, path: str) -> list[etree._Element]:
        found = _compiled(path)(self._element)
        return [item for item in found if isinstance(item, etree._Element)] if isinstance(found, list) else []


def _read_ubl(root: etree._Element) -> Invoice:
    at, credit = _Reader(root), etree.QName(root).localname == "CreditNote"
    supplier, buyer = "cac:AccountingSupplierParty/cac:Party/", "cac:AccountingCustomerParty/cac:Party/"
    totals, issued = "cac:LegalMonetaryTotal/cbc:", at.day("cbc:IssueDate")
    terms = at.text("cac:PaymentTerms/cbc:Note")
    currency = at.text("cbc:DocumentCurrencyCode") or ""
    return Invoice(
        standard="",
        version=None,
        syntax="ubl",
        number=at.text("cbc:ID") or "",
        kind=at.text("cbc:CreditNoteTypeCode" if credit else "cbc:InvoiceTypeCode") or ("381" if credit else "380"),
        issue_date=issued,
        due_date=at.day("cbc:DueDate", "cac:PaymentMeans/cbc:PaymentDueDate"),
        supplier_name=at.text(supplier + _LEGAL_NAME, supplier + _TRADE_NAME) or "",
        supplier_vat=at.text(
            supplier + "cac:PartyTaxScheme[cac:TaxScheme/cbc:ID='VAT']/cbc:CompanyID",
            supplier + "cac:PartyTaxScheme/cbc:CompanyID",
        ),
        buyer_name=at.text(buyer + _LEGAL_NAME, buyer + _TRADE_NAME) or "",
        buyer_reference=at.text("cbc:BuyerReference"),
        order_number=at.text("cac:OrderReference/cbc:ID"),
        contract_number=at.text("cac:ContractDocumentReference/cbc:ID"),
        preceding_invoice=at.text("cac:BillingReference/cac:InvoiceDocumentReference/cbc:ID"),
        currency=currency,
        net_total=at.amount(totals + "TaxExclusiveAmount"),
        tax_total=_tax_total(at, "cac:TaxTotal/cbc:TaxAmount", currency),
        total=at.amount(totals + "TaxInclusiveAmount"),
        payable=at.amount(totals + "PayableAmount"),
        payment_terms=terms,
        discounts=discounts_of(terms, issued),
        iban=at.text("cac:PaymentMeans/cac:PayeeFinancialAccount/cbc:ID"),
        note=at.text("cbc:Note"),
        delivery_date=at.day("cac:Delivery/cbc:ActualDeliveryDate", "cac:InvoicePeriod/cbc:EndDate"),
        lines=tuple(
            _ubl_line(_Reader(line), credit) for line in at.all("cac:CreditNoteLine" if credit else "cac:InvoiceLine")
        ),
    )


def _ubl_line(at: _Reader, credit: bool) -> InvoiceLine:
    quantity = "cbc:CreditedQuantity" if credit else "cbc:InvoicedQuantity"
    unit = [str(found.get("unitCode") or "") for found in at.all(quantity)]
    return InvoiceLine(
        id=at.text("cbc:ID") or "",
        name=at.text("cac:Item/cbc:Name", "cac:Item/cbc:Description") or "",
        quantity=at.amount(quantity),
        unit=unit[0] if unit else None,
        price=at.amount("cac:Price/cbc:PriceAmount"),
        net=at.amount("cbc:LineExtensionAmount"),
        tax_percent=at.amount("cac:Item/cac:ClassifiedTaxCategory/cbc:Percent"),
    )


def _read_cii(root: etree._Element) -> Invoice:
    at = _Reader(root)
    document, trade = "rsm:ExchangedDocument/", "rsm:SupplyChainTradeTransaction/"
    agreement, settlement = (
        trade + "ram:ApplicableHeaderTradeAgreement/",
        trade + "ram:ApplicableHeaderTradeSettlement/",
    )
    seller, buyer = agreement + "ram:SellerTradeParty/", agreement + "ram:BuyerTradeParty/"
    totals = settlement + "ram:SpecifiedTradeSettlementHeaderMonetarySummation/ram:"
    issued, terms = (
        at.day(document + "ram:IssueDateTime/udt:DateTimeString"),
        settlement + "ram:SpecifiedTradePaymentTerms/",
    )
    payment, currency = at.text(terms + "ram:Description"), at.text(settlement + "ram:InvoiceCurrencyCode") or ""
    return Invoice(
        standard="",
        version=None,
        syntax="cii",
        number=at.text(document + "ram:ID") or "",
        kind=at.text(document + "ram:TypeCode") or "380",
        issue_date=issued,
        due_date=at.day(terms + "ram:DueDateDateTime/udt:DateTimeString"),
        supplier_name=at.text(seller + "ram:Name") or "",
        supplier_vat=at.text(
            seller + "ram:SpecifiedTaxRegistration/ram:ID[@schemeID='VA']",
            seller + "ram:SpecifiedTaxRegistration/ram:ID",
        ),
        buyer_name=at.text(buyer + "ram:Name") or "",
        buyer_reference=at.text(agreement + "ram:BuyerReference"),
        order_number=at.text(agreement + "ram:BuyerOrderReferencedDocument/ram:IssuerAssignedID"),
        contract_number=at.text(agreement + "ram:ContractReferencedDocument/ram:IssuerAssignedID"),
        preceding_invoice=at.text(settlement + "ram:InvoiceReferencedDocument/ram:IssuerAssignedID"),
        currency=currency,
        net_total=at.amount(totals + "TaxBasisTotalAmount"),
        tax_total=_tax_total(at, totals + "TaxTotalAmount", currency),
        total=at.amount(totals + "GrandTotalAmount"),
        payable=at.amount(totals + "DuePayableAmount"),
        payment_terms=payment,
        discounts=discounts_of(payment, issued),
        iban=at.text(settlement + _CII_IBAN),
        note=at.text(document + "ram:IncludedNote/ram:Content"),
        delivery_date=at.day(
            trade + _CII_DELIVERY,
            settlement + "ram:BillingSpecifiedPeriod/ram:EndDateTime/udt:DateTimeString",
        ),
        lines=tuple(_cii_line(_Reader(line)) for line in at.all(trade + "ram:IncludedSupplyChainTradeLineItem")),
    )


def _cii_line(at: _Reader) -> InvoiceLine:
    quantity, settlement = "ram:SpecifiedLineTradeDelivery/ram:BilledQuantity", "ram:SpecifiedLineTradeSettlement/"
    unit = [str(found.get("unitCode") or "") for found in at.all(quantity)]
    return InvoiceLine(
        id=at.text("ram:AssociatedDocumentLineDocument/ram:LineID") or "",
        name=at.text("ram:SpecifiedTradeProduct/ram:Name") or "",
        quantity=at.amount(quantity),
        unit=unit[0] if unit else None,
        price=at.amount("ram:SpecifiedLineTradeAgreement/ram:NetPriceProductTradePrice/ram:ChargeAmount"),
        net=at.amount(settlement + "ram:SpecifiedTradeSettlementLineMonetarySummation/ram:LineTotalAmount"),
        tax_percent=at.amount(settlement + "ram:ApplicableTradeTax/ram:RateApplicablePercent"),
    )


def _tax_total(at: _Reader, path: str, currency: str) -> Decimal | None:
    """The tax total in the invoice's currency; a second one may give it in the accounting currency."""
    return at.amount(f"{path}[@currencyID='{currency}']" if re.fullmatch(r"[A-Z]{3}", currency) else path, path)


def view(data: bytes) -> list[Section]:
    """The reading view of an invoice: head, supplier, amounts, payment, lines."""
    return view_of(read(data))
