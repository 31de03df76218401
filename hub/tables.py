"""Every table of the hub, collected for migrations and tests."""

from __future__ import annotations

from hub.audit import model as _audit
from hub.cases import model as _cases
from hub.catalogue import model as _catalogue
from hub.delivery import model as _delivery
from hub.identity import model as _identity
from hub.jobs import model as _jobs
from hub.kit import model as _kit
from hub.kit.database import Base
from hub.library import model as _library
from hub.processing import model as _processing

OWNERS = (_audit, _cases, _catalogue, _delivery, _identity, _jobs, _kit, _library, _processing)
metadata = Base.metadata
