"""Bringing the database to this version (alembic), at once by one process only."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from hub import tables
from hub.kit import paths
from hub.kit.database import Database

_LOCK = 7_116_051


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(paths.migrations()))
    config.set_main_option("path_separator", "os")
    return config


def upgrade(db: Database) -> None:
    """Run all outstanding migrations; a second process waits and then finds nothing to do."""
    with db.engine.connect() as connection:
        if db.dialect == "postgresql":
            connection.execute(text("SELECT pg_advisory_lock(:key)"), {"key": _LOCK})
            connection.commit()
        try:
            config = _config()
            config.attributes["connection"] = connection
            config.attributes["metadata"] = tables.metadata
            command.upgrade(config, "head")
            connection.commit()
        finally:
            if db.dialect == "postgresql":
                connection.execute(text("SELECT pg_advisory_unlock(:key)"), {"key": _LOCK})
                connection.commit()


def is_current(db: Database) -> bool:
    """Whether the database has this version's tables."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    with db.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == head


def revision(db: Database, message: str) -> None:
    """Write a new migration from the difference between models and database (for developers)."""
    with db.engine.connect() as connection:
        config = _config()
        config.attributes["connection"] = connection
        config.attributes["metadata"] = tables.metadata
        command.revision(config, message=message, autogenerate=True)
