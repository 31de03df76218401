"""Jobs of notices: write one, tell the portal."""

from __future__ import annotations

from hub.cases.kinds import NOTICE, PUSH
from hub.jobs import Inside, Outside
from hub.notices import service

HANDLERS = (Outside(NOTICE, service.create), Inside(PUSH, service.push, last=True))
