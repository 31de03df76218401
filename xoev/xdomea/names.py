"""File names inside a package: unique, safe on every file system, as the standard writes them."""

from __future__ import annotations

import re
import unicodedata
from pathlib import PurePosixPath
from uuid import UUID

from xoev.xdomea.model import DocumentRecord

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
_MAX_STEM = 80
_EXTENSIONS = {
    "application/pdf": "pdf",
    "application/xml": "xml",
    "text/xml": "xml",
    "application/json": "json",
    "image/jpeg": "jpg",
    "image/png": "png",
    "image/tiff": "tif",
    "text/plain": "txt",
    "text/csv": "csv",
    "text/html": "html",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "docx",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet": "xlsx",
}
# Dateiformat, code list version 1.0; 044 is PDF/A, 100 is "Sonstiges" and needs a name of its own.
_FORMATS = {
    "csv": "002",
    "doc": "003",
    "eml": "006",
    "htm": "007",
    "html": "008",
    "jpeg": "010",
    "jpg": "011",
    "msg": "012",
    "ods": "014",
    "odt": "015",
    "pdf": "018",
    "png": "019",
    "rtf": "022",
    "tif": "023",
    "tiff": "024",
    "xls": "028",
    "xml": "030",
    "xsd": "031",
    "docx": "035",
    "xlsx": "036",
    "pptx": "037",
    "txt": "045",
}
OTHER_FORMAT = "100"
ARCHIVAL_PDF = "044"


def message_name(process_id: UUID, name: str, number: str) -> str:
    """``<uuid>_FVDaten.SGOErstellen.0604`` (without extension), as in the standard's own samples."""
    return f"{process_id}_{name}.{number}"


def document_name(document: DocumentRecord) -> str:
    """``UUID_Dokumentname.Dateiformat`` (PrimaerdokumentType): the UUID makes it unique, the rest readable."""
    extension = extension_of(document)
    stem = PurePosixPath(document.name.replace("\\", "/")).name
    if stem.lower().endswith(f".{extension}"):
        stem = stem[: -len(extension) - 1]
    plain = unicodedata.normalize("NFKD", stem.translate(_UMLAUTS)).encode("ascii", "ignore").decode()
    safe = _UNSAFE.sub("_", plain).strip("._-")[:_MAX_STEM].rstrip("._-") or "Dokument"
    return f"{document.id}_{safe}.{extension}"


def extension_of(document: DocumentRecord) -> str:
    """The extension by media type, else by name, else ``bin``."""
    media_type = document.media_type.partition(";")[0].strip().lower()
    if media_type in _EXTENSIONS:
        return _EXTENSIONS[media_type]
    own = PurePosixPath(document.name).suffix.lstrip(".").lower()
    return own if re.fullmatch(r"[a-z0-9]{1,8}", own) else "bin"


def format_code(document: DocumentRecord) -> str:
    """The Dateiformat code; PDF/A has one of its own."""
    extension = extension_of(document)
    if extension == "pdf" and document.format_version.upper().startswith("PDF/A"):
        return ARCHIVAL_PDF
    return _FORMATS.get(extension, OTHER_FORMAT)


_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss"})
