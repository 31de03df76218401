"""The only asynchronous mechanism: a row per job, written in the caller's transaction, run at least once.

A carrier moves ids only. The row is the truth: a lost message, a killed worker or a restarted broker costs a delay,
never a job.
"""

from hub.jobs.handlers import Inside, Job, LeaseLostError, Outside, Ready, Recurring, Registry
from hub.jobs.service import cancel, enqueue, failed, hold, retry

__all__ = [
    "Inside",
    "Job",
    "LeaseLostError",
    "Outside",
    "Ready",
    "Recurring",
    "Registry",
    "cancel",
    "enqueue",
    "failed",
    "hold",
    "retry",
]
