"""Jobs of records: prepare the filing of a case, forget delivered packages."""

from __future__ import annotations

from hub.cases.kinds import FILE
from hub.jobs import Outside, Recurring
from hub.records import service

HANDLERS = (
    Outside(FILE, service.file_case),
    Recurring("records.forget-packages", service.forget_packages, every_s=3600),
)
