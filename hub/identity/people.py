"""Names of people for showing; accounts are known by their login everywhere else."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.identity.model import UserAccount


def names(session: Session, tenant: str, logins: Iterable[str | None]) -> dict[str, str]:
    """Display names by login; logins without an account are left out."""
    wanted = {login for login in logins if login}
    if not wanted:
        return {}
    return dict(
        session.execute(
            select(UserAccount.login, UserAccount.display_name).where(
                UserAccount.tenant_id == tenant, UserAccount.login.in_(wanted)
            )
        ).all()
    )
