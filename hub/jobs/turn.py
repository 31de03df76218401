"""A worker's turn: what its own transactions ask for it takes over at once, instead of sending it round.

While a turn has room, a job that is asked for and due now stays a wish until just before the commit. Then

- a job that is one transaction (``Inside``) of the case this transaction holds runs in it and never gets a row,
- the first job that calls outside (``Outside``) gets its row under this worker's lease, with ``begin`` already done,
- everything else gets its row and is announced, as without a turn.

A case so moves from one call to the next in one transaction. Nothing is promised less: either all of it is committed
or none, and what a dead worker held is found by the sweep. A wish that fails takes nothing with it: a savepoint undoes
all wishes, and they become ordinary rows whose failures are counted.
"""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from uuid import UUID

import structlog
from sqlalchemy.orm import Session

from hub.jobs.handlers import Inside, Outside, Ready, Registry
from hub.jobs.lease import Lease, take_new
from hub.jobs.service import CLAIMED, HELD, WISHES, Wish, write
from hub.kit import once
from hub.kit.database import Database, is_transient

log = structlog.get_logger(__name__)

LockCase = Callable[[Session, UUID], object]


@dataclass(slots=True)
class Turn:
    """What one worker does in one go. ``room`` is how many more jobs it may take over."""

    db: Database
    registry: Registry
    lock_case: LockCase | None
    lane: str
    room: int = 0
    ran: int = 0
    ready: deque[Ready] = field(default_factory=deque)
    claimed: list[tuple[Outside, Lease]] = field(default_factory=list)

    def settle(self, session: Session) -> None:
        """Just before a commit: run, claim or write down what this transaction asked for."""
        wishes: dict[object, Wish] | None = session.info.get(WISHES)
        if not wishes:
            return
        asked = list(wishes.values())
        if any(self._kind_of(session, wish) for wish in asked) and self._take_over(session):
            return
        for wish in asked:
            write(session, wish)
        session.info.pop(WISHES, None)

    def _kind_of(self, session: Session, wish: Wish) -> Inside | Outside | None:
        """The handler if this turn can take the wish over."""
        handler = self.registry.get(wish.kind)
        if self.room <= 0 or wish.lane != self.lane:
            return None
        if isinstance(handler, Inside):
            return handler if wish.subject is None or wish.subject == session.info.get(HELD) else None
        taken = self.claimed or CLAIMED in session.info
        return handler if isinstance(handler, Outside) and not taken else None

    def _take_over(self, session: Session) -> bool:
        """Take over what can be, the wishes of wishes included; False when one failed and all were undone."""
        wishes: dict[object, Wish] = session.info[WISHES]
        asked, room, ran = dict(wishes), self.room, self.ran
        try:
            with session.begin_nested():
                while wishes:
                    wish = wishes.pop(self._next(wishes))
                    self._one(session, wish)
        except Exception as error:
            if is_transient(error):
                raise
            log.warning("wish_failed", kind=wish.kind, exc_info=error)
            self.room, self.ran = room, ran
            session.info.pop(CLAIMED, None)
            once.forget_all(session)
            wishes.clear()
            wishes.update(asked)
            return False
        return True

    def _next(self, wishes: dict[object, Wish]) -> object:
        """The wish to look at next: those that sum up what happened come last."""
        for slot, wish in wishes.items():
            handler = self.registry.get(wish.kind)
            if not (isinstance(handler, Inside) and handler.last):
                return slot
        return next(iter(wishes))

    def _one(self, session: Session, wish: Wish) -> None:
        handler = self._kind_of(session, wish)
        if isinstance(handler, Inside):
            self.room -= 1
            self.ran += 1
            handler.fn(session, wish.job())
        elif isinstance(handler, Outside) and (lease := take_new(session, wish, handler.lease_s, self.lock_case)):
            self.room -= 1
            self.ran += 1
            session.info[CLAIMED] = (handler, lease)
            if handler.begin is not None:
                lease.begun = handler.begin(self.db, session, lease.job, lease)
        else:
            write(session, wish)

    def committed(self, info: dict[object, object]) -> None:
        """The transaction stands: what it claimed is this worker's to run."""
        if (claimed := info.pop(CLAIMED, None)) is not None:
            self.claimed.append(claimed)  # type: ignore[arg-type] # what `_one` put there


_present: contextvars.ContextVar[Turn | None] = contextvars.ContextVar("turn", default=None)


def present() -> Turn | None:
    """The turn this thread is in."""
    return _present.get()


@contextmanager
def take(turn: Turn) -> Iterator[Turn]:
    """Make ``turn`` the one that settles the transactions of this thread."""
    token = _present.set(turn)
    try:
        yield turn
    finally:
        _present.reset(token)
