"""Alembic's entry: runs the migrations on the connection that `ozg-hub db upgrade` opened."""

from __future__ import annotations

from alembic import context


def render(kind: str, item: object, _context: object) -> str | bool:
    """Migrations never import our column types: they must mean the same in ten years."""
    return "sa.DateTime(timezone=True)" if kind == "type" and type(item).__name__ == "Instant" else False


connection = context.config.attributes["connection"]
metadata = context.config.attributes.get("metadata")
context.configure(
    connection=connection,
    target_metadata=metadata,
    render_as_batch=connection.dialect.name == "sqlite",
    transaction_per_migration=True,
    compare_type=True,
    render_item=render,
)
with context.begin_transaction():
    context.run_migrations()
