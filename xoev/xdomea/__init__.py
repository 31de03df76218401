"""xdomea 3.1.0, message group FVDaten: file a case in the e-file, read what arrived, confirm it.

Standard: AG xdomea of the IT-Planungsrat, XRepository ``urn:xoev-de:xdomea:schema:3.1.0``. Writing needs no schema.
"""

from xoev.xdomea.check import validate_package
from xoev.xdomea.messages import imported_message, received_message
from xoev.xdomea.model import (
    Confidentiality,
    Disposal,
    DocumentRecord,
    ExistingRecord,
    FileRecord,
    FilingError,
    FilingOrder,
    PackagedFile,
    PackagedMessage,
    PackageInfo,
    Party,
    Period,
    PlanUnit,
    Retention,
    System,
    TransactionRecord,
)
from xoev.xdomea.package import (
    ReadDocument,
    ReadPackage,
    package_name,
    read_package,
    write_message_package,
    write_package,
)

__all__ = [
    "Confidentiality",
    "Disposal",
    "DocumentRecord",
    "ExistingRecord",
    "FileRecord",
    "FilingError",
    "FilingOrder",
    "PackageInfo",
    "PackagedFile",
    "PackagedMessage",
    "Party",
    "Period",
    "PlanUnit",
    "ReadDocument",
    "ReadPackage",
    "Retention",
    "System",
    "TransactionRecord",
    "imported_message",
    "package_name",
    "read_package",
    "received_message",
    "validate_package",
    "write_message_package",
    "write_package",
]
