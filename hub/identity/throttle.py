"""Guessing passwords and secrets costs time: after a few failures every further try has to wait, longer each time.

Failures are counted per account and address together, per account alone, and per address alone; names that nobody has
are counted like all others, so nothing tells whether an account exists. The first pause lasts five seconds and doubles
with every failure; a success forgets what the account had counted, a day without failures forgets everything.

The counts are rows, so all web processes on all hosts count together. A slot is a keyed hash: neither names nor
addresses can be read from the table. Behind a reverse proxy the address is the one it passes on, if uvicorn trusts it
(FORWARDED_ALLOW_IPS); otherwise all browsers share the proxy's.
"""

from __future__ import annotations

import hmac
import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address, ip_network

from sqlalchemy import case, delete, select, update
from sqlalchemy.orm import Session

from hub.identity.model import SignInFailure
from hub.kit import upsert
from hub.kit.clock import now
from hub.kit.problems import Problem

FIRST_PAUSE_S = 5
FORGOTTEN_AFTER = timedelta(days=1)
_SWEPT_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class Rule:
    """From the `after`-th failure on there is a pause, of at most `longest_s`."""

    after: int
    longest_s: int

    def pause_s(self, failures: int) -> int:
        """How long to wait after so many failures."""
        if failures < self.after:
            return 0
        return min(self.longest_s, FIRST_PAUSE_S << min(failures - self.after, 20))


PAIR = Rule(5, 15 * 60)
# Whoever guesses from many addresses meets this one. Short: nobody shall lock a colleague out for long.
ACCOUNT = Rule(25, 60)
# A whole town hall may share one address.
ADDRESS = Rule(50, 15 * 60)


@dataclass(frozen=True, slots=True)
class Attempt:
    """One try to sign in, as the slots it counts in."""

    tenant: str
    own: tuple[tuple[str, Rule], ...]  # pair, account: counted before the proof, forgotten by a success
    address: tuple[str, Rule]  # counted after a failure


class Throttle:
    """Makes attempts of names and addresses; `key` is this installation's, so that slots say nothing elsewhere."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def person(self, tenant: str, login: str, address: str | None) -> Attempt:
        """A try at the sign-in page."""
        where = _network(address)
        pair = self._slot(tenant, "user", login, where)
        return Attempt(
            tenant,
            ((pair, PAIR), (self._slot(tenant, "user", login, ""), ACCOUNT)),
            (self._slot(tenant, "user", "", where), ADDRESS),
        )

    def client(self, tenant: str, client_id: str, address: str | None) -> Attempt:
        """A try for a token. Secrets are random: guessing them is hopeless, and a portal must not be locked out."""
        where = _network(address)
        return Attempt(
            tenant,
            ((self._slot(tenant, "client", client_id, where), PAIR),),
            (self._slot(tenant, "client", "", where), ADDRESS),
        )

    def _slot(self, *parts: str) -> str:
        return hmac.new(self._key, "\n".join(parts).encode(), "sha256").hexdigest()


def _network(address: str | None) -> str:
    """An IPv4 address, or the /64 that belongs to one holder of IPv6 addresses (RFC 6177)."""
    try:
        found = ip_address((address or "").partition("%")[0])
    except ValueError:
        return address or ""
    if isinstance(found, IPv6Address):
        mapped = found.ipv4_mapped
        return str(mapped or ip_network((found, 64), strict=False))
    return str(found)


def check(session: Session, attempt: Attempt) -> bool:
    """Whether anything of the account is counted. Raises Problem 429 while the attempt has to wait; only reads."""
    own = {slot for slot, _ in attempt.own}
    rows = session.execute(
        select(SignInFailure.slot, SignInFailure.paused_until).where(
            SignInFailure.tenant_id == attempt.tenant, SignInFailure.slot.in_({*own, attempt.address[0]})
        )
    ).all()
    _refuse_until(max((row.paused_until for row in rows if row.paused_until), default=None))
    return any(row.slot in own for row in rows)


def begin(session: Session, attempt: Attempt) -> int:
    """Count the attempt before it is looked at, so that of many at once no more come through; gives the next pause.

    Raises Problem 429 while it has to wait; the transaction must then roll back. Others of the same account wait for
    this transaction.
    """
    return max(_count(session, attempt.tenant, slot, rule) for slot, rule in attempt.own)


def failed(session: Session, attempt: Attempt) -> int:
    """Count the failure for the address, too; gives the pause that begins there. Sweeps what is forgotten."""
    pause = _count(session, attempt.tenant, *attempt.address)
    forgotten = (
        select(SignInFailure.slot)
        .where(SignInFailure.last_at < now() - FORGOTTEN_AFTER)
        .limit(_SWEPT_AT_ONCE)
        .with_for_update(skip_locked=True)
    )
    session.execute(
        delete(SignInFailure).where(SignInFailure.slot.in_(forgotten)).execution_options(synchronize_session=False)
    )
    return pause


def succeeded(session: Session, attempt: Attempt) -> None:
    """Forget what was counted for the account; an address does not become better by one success."""
    session.execute(
        delete(SignInFailure).where(
            SignInFailure.tenant_id == attempt.tenant, SignInFailure.slot.in_([slot for slot, _ in attempt.own])
        )
    )


def wait_in_words(seconds: int) -> str:
    """A pause for reading: in 40 Sekunden, in 3 Minuten."""
    if seconds < 90:
        return f"in {seconds} Sekunde{'' if seconds == 1 else 'n'}"
    return f"in {math.ceil(seconds / 60)} Minuten"


def _count(session: Session, tenant: str, slot: str, rule: Rule) -> int:
    at = now()
    table = SignInFailure
    statement = (
        upsert.insert(SignInFailure, session.connection().dialect.name)
        .values(tenant_id=tenant, slot=slot, failures=1, last_at=at)
        .on_conflict_do_update(
            index_elements=["tenant_id", "slot"],
            set_={
                "failures": case((table.last_at < at - FORGOTTEN_AFTER, 1), else_=table.failures + 1),
                "last_at": at,
            },
        )
        .returning(table.failures, table.paused_until)
    )
    row = session.execute(statement).one()
    _refuse_until(row.paused_until)
    pause = rule.pause_s(row.failures)
    until = at + timedelta(seconds=pause) if pause else None
    if until != row.paused_until:
        session.execute(
            update(SignInFailure)
            .where(SignInFailure.tenant_id == tenant, SignInFailure.slot == slot)
            .values(paused_until=until)
        )
    return pause


def _refuse_until(until: datetime | None) -> None:
    left = math.ceil((until - now()).total_seconds()) if until else 0
    if left > 0:
        raise Problem(
            429,
            "auth.too-many-attempts",
            "Zu viele Fehlversuche",
            f"Bitte versuchen Sie es {wait_in_words(left)} noch einmal.",
            headers={"Retry-After": str(left)},
        )
