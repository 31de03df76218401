"""Jobs of delivery: send, take in, look after overdue receipts, poll outboxes."""

from __future__ import annotations

from hub.cases.kinds import INBOUND, SEND
from hub.delivery import inbound, sending
from hub.jobs import Inside, Outside, Recurring

HANDLERS = (
    Outside(SEND, sending.send, lease_s=sending.LEASE_S, begin=sending.begin),
    Inside(INBOUND, inbound.handle),
    Recurring("delivery.overdue", inbound.overdue, every_s=60),
    Recurring("delivery.poll", inbound.poll, every_s=2),
)
