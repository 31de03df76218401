"""What a transaction has read already and need not read again.

Several jobs of one case run in one transaction, each of which asks for the same rows. Who writes such rows says here
what they are now, or forgets them. Sessions that only read remember nothing: they may live longer.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any, TypeVar

from sqlalchemy.orm import Session

_SLOT = "kit.once"
V = TypeVar("V")


def begin(session: Session) -> None:
    """From now on this transaction remembers."""
    session.info[_SLOT] = {}


def once(session: Session, what: str, which: Hashable, read: Callable[[], V]) -> V:
    """What the transaction knows under a name, read now if it does not know it yet. Not to be changed in place."""
    known: dict[tuple[str, Hashable], Any] | None = session.info.get(_SLOT)
    if known is None:
        return read()
    if (what, which) not in known:
        known[what, which] = read()
    value: V = known[what, which]
    return value


def known(session: Session, what: str, which: Hashable) -> Any:
    """What the transaction knows under a name, or None."""
    return session.info.get(_SLOT, {}).get((what, which))


def know(session: Session, what: str, which: Hashable, value: object) -> None:
    """The transaction has just written this."""
    if (slot := session.info.get(_SLOT)) is not None:
        slot[what, which] = value


def forget(session: Session, what: str, which: Hashable) -> None:
    """Something was written that the next reader has to see."""
    session.info.get(_SLOT, {}).pop((what, which), None)


def forget_all(session: Session) -> None:
    """The transaction went back to a savepoint."""
    if _SLOT in session.info:
        begin(session)
