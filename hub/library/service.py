"""The process library: bringing versions in, releasing them, and finding the one a case runs on."""

from __future__ import annotations

import re
import threading
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from hub.catalogue import service as catalogue
from hub.kit.clock import now
from hub.kit.database import new_id
from hub.library.model import ProcessVersion
from hub.library.process import Process, ProfileError, digest, pack, read_folder, runtime_files, unpack
from hub.library.samples import read_application
from workflows import scenarios

_ready: dict[UUID, Process] = {}

_lock = threading.Lock()
_ANSWERS = select(ProcessVersion.id, ProcessVersion.process).where(
    ProcessVersion.tenant_id == bindparam("tenant"),
    ProcessVersion.state == "released",
    (ProcessVersion.process == bindparam("wanted")) | ProcessVersion.process.like(bindparam("begins"), escape="/"),
)


class UnknownServiceError(LookupError):
    """No released process answers for this service."""


@dataclass(frozen=True, slots=True)
class Gate:
    """Whether a version may be released, with every reason why not (German)."""

    faults: tuple[str, ...]

    @property
    def open(self) -> bool:
        return not self.faults


def check(folder: Path) -> Gate:
    """The release gate of a process folder: profile, model, forms, notices, scenarios, connectors.

    Owner, deputy and filing target are compulsory fields of the profile, so reading it already checks them.
    """
    faults: list[str] = []
    files = read_folder(folder)
    try:
        process = Process(files)
    except ProfileError as error:
        return Gate((str(error),))
    if process.id != folder.name:
        faults.append(f"Die Kennung „{process.id}“ muss so heißen wie der Ordner „{folder.name}“.")
    try:
        _ = process.model, process.schema
    except Exception as error:  # every reason is shown to the author, none stops the others
        faults.append(str(error))
        return Gate(tuple(faults))
    for name in files:
        try:
            if name.startswith("forms/"):
                process.form(Path(name).stem)
            elif name.startswith("notices/"):
                process.notice(Path(name).stem)
        except ProfileError as error:
            faults.append(str(error))
    known = catalogue.registry()
    for role, wanted in process.profile.connectors.items():
        if wanted.profile not in known:
            faults.append(f"Den Konnektor „{wanted.profile}“ (Rolle „{role}“) gibt es nicht.")
            continue
        operations = known[wanted.profile].operations
        faults += [
            f"Der Konnektor „{wanted.profile}“ kennt den Vorgang „{operation}“ nicht."
            for operation in wanted.operations
            if operation not in operations
        ]
    result = scenarios.run(folder, read_sample=lambda path: read_application(process, path.read_bytes()))
    faults += [f"{fault.element or fault.file}: {fault.message} {fault.remedy}".strip() for fault in result.faults]
    faults += [f"Szenario „{played.name}“: {fault}" for played in result.scenarios for fault in played.faults]
    return Gate(tuple(faults))


def install(session: Session, tenant: str, folder: Path, *, by: str, reviewed_by: str | None = None) -> UUID:
    """Bring a folder in as a version and release it; the same content again changes nothing.

    Four eyes: in production the reviewer must be another person than the releaser. Raises ProfileError when the gate
    is closed.
    """
    files = runtime_files(read_folder(folder))
    fingerprint = digest(files)
    known = session.scalar(
        select(ProcessVersion).where(
            ProcessVersion.tenant_id == tenant,
            ProcessVersion.process == folder.name,
            ProcessVersion.digest == fingerprint,
        )
    )
    if known is not None and known.state == "released":
        return known.id
    gate = check(folder)
    if not gate.open:
        raise ProfileError(f"{folder.name} kann nicht freigegeben werden:\n- " + "\n- ".join(gate.faults))
    process = Process(files)
    session.execute(
        update(ProcessVersion)
        .where(
            ProcessVersion.tenant_id == tenant, ProcessVersion.process == process.id, ProcessVersion.state == "released"
        )
        .values(state="retired")
    )
    if known is not None:
        known.state, known.released_at = "released", now()
        session.flush()
        return known.id
    row = ProcessVersion(
        id=new_id(),
        tenant_id=tenant,
        process=process.id,
        version=process.profile.version,
        digest=fingerprint,
        state="released",
        files=pack(files),
        profile=process.profile.model_dump(mode="json", by_alias=True),
        created_at=now(),
        released_at=now(),
        released_by=by,
        reviewed_by=reviewed_by,
    )
    session.add(row)
    session.flush()
    return row.id


def load(session: Session, version_id: UUID) -> Process:
    """A process version, read once per process of the hub."""
    if (ready := _ready.get(version_id)) is not None:
        return ready
    files = session.scalar(select(ProcessVersion.files).where(ProcessVersion.id == version_id))
    if files is None:
        raise UnknownServiceError(f"process version {version_id}")
    with _lock:
        if version_id not in _ready:
            _ready[version_id] = Process(unpack(files), version_id)
        return _ready[version_id]


def released(session: Session, tenant: str, service: str) -> Process:
    """The released process that answers for a service: a LeiKa-ID (14 digits), its URN form, or a process id.

    Raises UnknownServiceError.
    """
    wanted = service.removeprefix("urn:de:fim:leika:leistung:")
    begins = re.sub(r"([/%_])", r"/\1", wanted) + "-%"
    rows = session.connection().execute(_ANSWERS, {"tenant": tenant, "wanted": wanted, "begins": begins}).all()
    exact = [row for row in rows if row.process == wanted] or [row for row in rows if wanted.isdigit()]
    if len(exact) != 1:
        raise UnknownServiceError(service)
    return load(session, exact[0].id)


def all_released(session: Session, tenant: str) -> list[Process]:
    """Every released process, by id."""
    ids = session.scalars(
        select(ProcessVersion.id)
        .where(ProcessVersion.tenant_id == tenant, ProcessVersion.state == "released")
        .order_by(ProcessVersion.process)
    )
    return [load(session, version_id) for version_id in ids]
