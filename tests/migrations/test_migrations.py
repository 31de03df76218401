"""An operator upgrades an empty database and gets exactly the tables that the models describe, on both databases."""

from __future__ import annotations

import subprocess

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from hub import tables, upgrade
from hub.kit.database import Database


def test_models_and_migrations_agree(hub_database_url: str) -> None:
    db = Database(hub_database_url)
    with db.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables.metadata) == []
    db.dispose()


def test_every_table_knows_its_tenant(hub_database_url: str) -> None:
    db = Database(hub_database_url)
    names = set(inspect(db.engine).get_table_names()) - {"alembic_version"}
    without = {
        name for name in names if "tenant_id" not in {column["name"] for column in inspect(db.engine).get_columns(name)}
    }
    assert names
    assert not without
    db.dispose()


def test_upgrading_twice_changes_nothing(hub_database_url: str) -> None:
    db = Database(hub_database_url)
    upgrade.upgrade(db)
    assert upgrade.is_current(db)
    db.dispose()


def test_migrations_stand_on_their_own(request: object) -> None:
    found = subprocess.run(
        ["grep", "-rnE", "^(from|import) (hub|xoev|workflows|connectors)", "migrations"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert found.stdout == "", "migrations must not import models: they would change their meaning with them"
