"""Connectors: how the hub talks to specialist applications, the e-file, payment systems and portals.

A connector is a folder with a manifest, mappings, samples and one page for the IT staff; it holds no Python. The
contract is in ``connectors.contract``.
"""

from connectors.calls import check_connection, lookup, perform, plan
from connectors.contract import (
    Attachment,
    ConnectorError,
    Fault,
    InboundDocument,
    InboundEvent,
    InboundRefused,
    Instance,
    Manifest,
    ManifestError,
    Message,
    Operation,
    Outcome,
    PlannedStep,
)
from connectors.inbound import match_event, sign, verify, waiting
from connectors.manifest import LIBRARY, Registry, find, read
from connectors.settings import settings_faults

__all__ = [
    "LIBRARY",
    "Attachment",
    "ConnectorError",
    "Fault",
    "InboundDocument",
    "InboundEvent",
    "InboundRefused",
    "Instance",
    "Manifest",
    "ManifestError",
    "Message",
    "Operation",
    "Outcome",
    "PlannedStep",
    "Registry",
    "check_connection",
    "find",
    "lookup",
    "match_event",
    "perform",
    "plan",
    "read",
    "settings_faults",
    "sign",
    "verify",
    "waiting",
]
