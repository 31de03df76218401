"""A database that has seen a million cases: every table multiplied from cases that really ran.

Cases that went through the hub are copied inside the database, each copy under ids, numbers and keys of its own and
moved back in time, so that every row, size and index entry is of the real kind. Ids keep their order in time (UUIDv7).
Audit entries of copies have places in the chain but no true digests: the chain is not proven on this database.
"""

from __future__ import annotations

import time

import psycopg
from psycopg import sql

_STEP = "interval '20 seconds'"  # between two copies: a million cases are some months of a large city

_FUNCTIONS = """
CREATE OR REPLACE FUNCTION pg_temp.again(old uuid, n int) RETURNS uuid LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
  SELECT CASE WHEN old IS NULL THEN NULL
    WHEN substr(old::text, 15, 1) = '7' THEN (
      lpad(to_hex(('x' || translate(substr(old::text, 1, 13), '-', ''))::bit(48)::bigint - n::bigint * 20000), 12, '0')
      || '7' || substr(md5(old::text || n), 1, 3) || 'a' || substr(md5(old::text || n), 4, 15))::uuid
    ELSE overlay(md5(old::text || n) placing '5' from 13 for 1)::uuid END $$
"""
_ID = "pg_temp.again({column}, n)"
_UNIQUE = "md5({column} || n)"
#: How a copy's column is made from the original's, beside ids and instants; ``{column}`` is the original.
_SPECIAL = {
    ("submission", "idempotency_key"): "{column} || '-' || n",
    ("hub_case", "number"): "'V-' || substr(md5({column} || n), 1, 17)",
    ("hub_case", "aktenzeichen"): "{column} || '-' || n",
    ("hub_case", "subject_hash"): f"{_UNIQUE} || {_UNIQUE}",
    ("akte", "aktenzeichen"): "{column} || '-' || n",
    ("akte_key", "hash"): f"{_UNIQUE} || {_UNIQUE}",
    ("far_number", "value"): "{column} || '-' || n",
    ("document", "blob"): _UNIQUE,
    ("case_event", "dedupe"): "{column}",
    # Whole sealed content would be 50 GB; this much of it still lies outside the row, as the whole does.
    ("document", "inline"): "substr({column}, 1, 2200)",
    ("case_data", "body"): "substr({column}, 1, 2200)",
    ("audit_entry", "subject"): "{column} || '-' || n",
    ("audit_entry", "position"): "{column} + n::bigint * 1000000",
}
#: Columns that point to what all copies share.
_SHARED = {("hub_case", "process_version_id")}
_TABLES = (
    "data_key", "submission", "hub_case", "submission_case", "effect", "case_event", "case_data", "document",
    "deadline", "akte", "akte_key", "delivery", "delivery_step", "delivery_attempt", "far_number", "audit_entry",
)  # fmt: skip


def seed(url: str, cases: int) -> dict[str, int]:
    """Multiply the closed cases of this database to about ``cases``; rows by table, and seconds it took."""
    begun = time.monotonic()
    with psycopg.connect(url.replace("+psycopg", ""), autocommit=True) as database:
        database.execute("SET session_replication_role = replica")  # no foreign key checks: copies are consistent
        database.execute("SET synchronous_commit = off")
        database.execute("SET maintenance_work_mem = '512MB'")
        database.execute(_FUNCTIONS)
        present = _count(database, "hub_case")
        copies = max(0, cases // max(1, present) - 1)
        indexes = _drop_indexes(database)
        for table in _TABLES:
            _multiply(database, table, copies)
        for definition in indexes:
            database.execute(definition)
        _audit_head(database)
        database.execute("VACUUM (FREEZE, ANALYZE)")
        database.execute("CHECKPOINT")
        rows = {table: _count(database, table) for table in _TABLES}
    return rows | {"seconds": int(time.monotonic() - begun)}


def _count(database: psycopg.Connection[tuple[object, ...]], table: str) -> int:
    row = database.execute(sql.SQL("SELECT count(*) FROM {}").format(sql.Identifier(table))).fetchone()
    assert row is not None
    return int(str(row[0]))


def _multiply(database: psycopg.Connection[tuple[object, ...]], table: str, copies: int) -> None:
    """Insert ``copies`` copies of every row, oldest first, as time would have done."""
    columns = database.execute(
        "SELECT column_name, data_type FROM information_schema.columns WHERE table_name = %s ORDER BY ordinal_position",
        (table,),
    ).fetchall()
    names = [str(name) for name, _ in columns]
    values = [_value(table, str(name), str(kind)) for name, kind in columns]
    database.execute(
        sql.SQL(
            "INSERT INTO {table} ({names}) SELECT {values} FROM generate_series({copies}, 1, -1) n, {table}"
        ).format(
            table=sql.Identifier(table),
            names=sql.SQL(", ").join(map(sql.Identifier, names)),
            values=sql.SQL(", ").join(values),
            copies=sql.Literal(copies),
        )
    )


def _value(table: str, name: str, kind: str) -> sql.Composable:
    column = sql.SQL(table + "." + name)
    if (table, name) in _SHARED:
        return column
    if (table, name) in _SPECIAL:
        return sql.SQL(_SPECIAL[table, name]).format(column=column)
    if kind == "uuid":
        return sql.SQL(_ID).format(column=column)
    if kind.startswith("timestamp"):
        return sql.SQL("{} - n * " + _STEP).format(column)
    return column


def _drop_indexes(database: psycopg.Connection[tuple[object, ...]]) -> list[str]:
    """Drop what is only an index (constraints stay) and return how to make it again: filling is much faster without."""
    found = database.execute(
        "SELECT i.indexrelid::regclass::text, pg_get_indexdef(i.indexrelid) FROM pg_index i"
        " JOIN pg_class c ON c.oid = i.indrelid WHERE c.relname = ANY(%s)"
        " AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid)",
        (list(_TABLES),),
    ).fetchall()
    for name, _ in found:
        database.execute(sql.SQL("DROP INDEX {}").format(sql.Identifier(str(name))))
    return [str(definition) for _, definition in found]


def _audit_head(database: psycopg.Connection[tuple[object, ...]]) -> None:
    """The chain goes on after the copies."""
    database.execute(
        "UPDATE audit_head h SET position = (SELECT max(position) FROM audit_entry e WHERE e.tenant_id = h.tenant_id)"
    )
