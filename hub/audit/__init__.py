"""Who did what to what, append-only and provable: business transactions insert, one sealer chains afterwards."""

from hub.audit.service import Verdict, record, seal, verify

__all__ = ["Verdict", "record", "seal", "verify"]
