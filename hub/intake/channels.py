"""Watched folders: submissions of machine clients, and invoices.

    drop/<client>/<name>.ready       a folder, or a ZIP archive (`<name>.zip.ready`), renamed when it is complete;
                                     or an empty marker `<name>.ready` beside `<name>`, for who cannot rename
    invoices/in/<name>.xml           an XRechnung; written under another name and renamed, or left alone for a while

What was taken is gone from the folder and leaves a receipt in `done/`; what was refused is moved to `refused/` with a
`problem.json`. The idempotency key is the digest of the content, so a kill between commit and moving costs nothing.
"""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from itertools import islice
from pathlib import Path

import orjson
import structlog

from hub.cases import troubles, vault
from hub.identity import service as identity
from hub.identity.endpoints import Client
from hub.intake import dropped, refusals
from hub.intake.endpoints import INVOICES, receipt_body
from hub.intake.incoming import MAX_ORIGINAL, Incoming, Receipt
from hub.intake.reception import receive
from hub.jobs import Recurring
from hub.kit.database import Database, is_transient
from hub.kit.problems import Problem
from hub.kit.settings import settings

log = structlog.get_logger(__name__)

READY = ".ready"
_GOING = ".going-"
SETTLED_S = 5.0
_STALE_MARKER_S = 60.0
_AT_ONCE = 200  # per folder and look: one busy sender must not starve the others
_KEPT = ("done", "refused")


def take_all(db: Database) -> None:
    """One look at all watched folders. One bad entry never stops the others."""
    root = settings().data
    for folder in _folders(root / "drop"):
        client = _client(db, folder)
        if client is not None:
            _each(db, folder, _ready(folder), partial(take_drop, db, client))
    invoices = root / "invoices" / "in"
    if invoices.is_dir():
        _each(db, invoices.parent, _settled(invoices), partial(take_invoice, db))


def take_drop(db: Database, client: Client, path: Path) -> Receipt:
    """Take one complete drop. Raises Problem; the refusal is then listed."""
    incoming = _incoming(client.tenant, client.id, "file-drop", client.may_use, client.reply_to)
    with refusals.kept(db, incoming), dropped.opened(path) as source:
        incoming.received_at = dropped.received_at(path)
        dropped.fill(incoming, source)
    return receive(db, incoming)


def take_invoice(db: Database, path: Path) -> Receipt:
    """Take one invoice file. Raises Problem; the refusal is then listed."""
    incoming = _incoming(settings().tenant, "invoice-folder", "invoice-folder", _anything, None)
    incoming.received_at, incoming.service = dropped.received_at(path), INVOICES
    incoming.media_type = "application/xml"
    with refusals.kept(db, incoming):
        if path.lstat().st_size > MAX_ORIGINAL:
            raise Problem(
                413, "body.too-large", "Zu groß", f"Eine Rechnung darf höchstens {MAX_ORIGINAL // 2**20} MB groß sein."
            )
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
            incoming.original = file.read(MAX_ORIGINAL + 1)
    incoming.idempotency_key = f"file:{incoming.digest}"
    return receive(db, incoming)


def _anything(*_: object) -> bool:
    """The invoice folder belongs to the installation; nobody's scope limits it."""
    return True


def _incoming(
    tenant: str, client_id: str, channel: str, may_use: Callable[..., bool], reply_to: str | None
) -> Incoming:
    key, wrapped = vault.ring().new_data_key()
    return Incoming(
        tenant=tenant,
        client_id=client_id,
        channel=channel,
        media_type="",
        original=b"",
        key=key,
        wrapped_key=wrapped,
        may_use=may_use,
        received_source="file-drop",
        reply_to=reply_to,
    )


def _each(db: Database, folder: Path, found: Iterator[Path], take: Callable[[Path], Receipt]) -> None:
    _clear_away(folder)
    for path in islice(found, _AT_ONCE):
        try:
            receipt = take(path)
        except Problem as problem:
            _refused(folder, path, problem)
        except Exception as error:
            if is_transient(error):
                raise
            log.error("drop_failed", folder=folder.name, exc_info=error)
            _trouble(
                db,
                f"drop:{folder.name}:{path.name}",
                "Abgelegte Einreichung kann nicht gelesen werden",
                f"„{path.name[:80]}“ im Ordner „{folder.name}“: {type(error).__name__}. Sie bleibt liegen und "
                "wird weiter versucht.",
            )
        else:
            _done(folder, path, receipt)


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    return [path for path in sorted(root.iterdir()) if path.is_dir() and not path.is_symlink()]


def _ready(folder: Path) -> Iterator[Path]:
    """Complete drops of a client, oldest name first."""
    for path in sorted(folder.iterdir()):
        if not path.name.endswith(READY) or path.name.startswith(".") or not os.path.lexists(path):
            continue
        if path.is_symlink() or path.is_dir() or path.stat().st_size > 0:
            yield path
            continue
        beside = path.with_name(path.name.removesuffix(READY))
        if os.path.lexists(beside) and beside.name not in _KEPT:
            yield beside
        elif path.stat().st_mtime < time.time() - _STALE_MARKER_S:
            path.unlink(missing_ok=True)  # or the next drop of this name would be taken half written


def _settled(folder: Path) -> Iterator[Path]:
    """Invoice files that nobody writes to any more."""
    before = time.time() - SETTLED_S
    for path in sorted(folder.iterdir()):
        if (
            path.suffix.lower() == ".xml"
            and not path.name.startswith(".")
            and not path.is_symlink()
            and path.is_file()
            and path.stat().st_mtime <= before
        ):
            yield path


def _client(db: Database, folder: Path) -> Client | None:
    """The client a folder is named after; a folder of nobody is a Störung, its content stays."""
    with db.read() as session:
        row = identity.client(session, settings().tenant, folder.name)
    if row is not None:
        return Client(row.tenant_id, row.client_id, frozenset(row.services), row.reply_to)
    if next(_ready(folder), None) is not None:
        _trouble(
            db,
            f"drop-client:{folder.name}",
            "Ablageordner ohne Zugang",
            f"Im Ordner „{folder.name}“ liegen Einreichungen, es gibt aber keinen (aktiven) Zugang dieses Namens.",
        )
    return None


def _trouble(db: Database, dedupe: str, title: str, message: str) -> None:
    with db.write() as session:
        troubles.open_trouble(
            session,
            tenant=settings().tenant,
            kind=troubles.STOERUNG,
            code="drop.unreadable",
            title=title,
            message=message,
            dedupe=dedupe[:120],
            choices=("noted",),
        )


def _done(folder: Path, path: Path, receipt: Receipt) -> None:
    """The hub has it, sealed: a receipt stays, the readable files go.

    They go by a rename first: a folder half removed by a killed process would look like another submission.
    """
    done = folder / "done"
    done.mkdir(exist_ok=True)
    _write(done / f"{_plain_name(path)}.{receipt.id}.json", receipt_body(receipt))
    path.rename(done / f"{_GOING}{receipt.id}.{os.getpid()}")
    _remove_marker(path)
    _clear_away(folder)


def _clear_away(folder: Path) -> None:
    for path in (folder / "done").glob(f"{_GOING}*"):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def _refused(folder: Path, path: Path, problem: Problem) -> None:
    """Out of the way, whole, with the reason beside it."""
    target = _place(folder / "refused", _plain_name(path))
    target.mkdir()
    _write(target / "problem.json", problem.body())
    path.rename(target / _plain_name(path))
    _remove_marker(path)


def _plain_name(path: Path) -> str:
    return path.name.removesuffix(READY)[:150] or "einreichung"


def _place(folder: Path, name: str) -> Path:
    """A name in `folder` that is not taken."""
    folder.mkdir(parents=True, exist_ok=True)
    target, number = folder / name, 1
    while target.exists():
        number += 1
        target = folder / f"{number}-{name}"
    return target


def _remove_marker(path: Path) -> None:
    if not path.name.endswith(READY):
        with suppress(FileNotFoundError):
            path.with_name(path.name + READY).unlink()


def _write(path: Path, body: object) -> None:
    """Whole or not at all, for whoever watches the folder."""
    draft = path.with_name(f".{path.name}.part")
    draft.write_bytes(orjson.dumps(body, option=orjson.OPT_INDENT_2, default=str))
    draft.rename(path)


HANDLERS = (Recurring("intake.channels", take_all, every_s=5, lease_s=900, lane="low"),)
