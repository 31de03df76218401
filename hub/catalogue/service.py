"""Looking up and changing the city's configuration. Verbs only; the caller commits."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

import connectors
from connectors import Instance, Registry
from hub.catalogue.model import Binding, Competence, ConnectorInstance, Department
from hub.kit import upsert
from hub.kit.clock import now
from hub.kit.memory import Memory
from hub.kit.paths import connector_library
from hub.kit.settings import settings


class NotConfiguredError(Exception):
    """IT has to act: a role has no instance, a secret is missing, or settings do not fit their manifest."""


@dataclass(frozen=True, slots=True)
class Target:
    """An instance as a row names it: everything but secrets."""

    name: str
    version: int
    connector: str
    title: str
    stage: str
    settings: Mapping[str, Any]
    limits: Mapping[str, Any]


@lru_cache(maxsize=1)
def registry() -> Registry:
    """The connector manifests of this installation, read once per process."""
    return connectors.find(connector_library())


def department_title(session: Session, tenant: str, department: str) -> str:
    """The department's German name, at most five seconds old, or its id when nobody named it."""
    slot = _slot(session, tenant, department)
    if (known := _titles.recall(slot)) is not None:
        return known
    title = session.scalar(select(Department.title).where(Department.tenant_id == tenant, Department.id == department))
    return _titles.remember(slot, title or department)


def competent_department(session: Session, tenant: str, service: str, kind: str, value: str) -> str | None:
    """The department that a value (street, Leitweg-ID) makes competent, if the city has said so."""
    return session.scalar(
        select(Competence.department).where(
            Competence.tenant_id == tenant,
            Competence.service == service,
            Competence.kind == kind,
            Competence.value == value.casefold(),
        )
    )


def _target(row: ConnectorInstance) -> Target:
    return Target(row.name, row.version, row.connector, row.title, row.stage, row.settings, row.limits)


_REMEMBERED_S = 5.0
_targets: Memory[tuple[object, ...], Target] = Memory(_REMEMBERED_S)
_bound: Memory[tuple[object, ...], str] = Memory(_REMEMBERED_S)
_titles: Memory[tuple[object, ...], str] = Memory(_REMEMBERED_S)


def _slot(session: Session, *names: str) -> tuple[object, ...]:
    return (id(session.get_bind().engine), *names)


def target(session: Session, tenant: str, name: str) -> Target:
    """The active version of an instance, at most five seconds old. Raises NotConfiguredError."""
    slot = _slot(session, tenant, name)
    return _targets.recall(slot) or _targets.remember(slot, _read_target(session, tenant, name))


def _read_target(session: Session, tenant: str, name: str) -> Target:
    row = session.scalar(
        select(ConnectorInstance).where(
            ConnectorInstance.tenant_id == tenant, ConnectorInstance.name == name, ConnectorInstance.active
        )
    )
    if row is None:
        raise NotConfiguredError(f"Die Anbindung „{name}“ ist nicht eingerichtet.")
    return _target(row)


def targets(session: Session, tenant: str) -> list[Target]:
    """All active instances, by name."""
    rows = session.scalars(
        select(ConnectorInstance)
        .where(ConnectorInstance.tenant_id == tenant, ConnectorInstance.active)
        .order_by(ConnectorInstance.name)
    )
    return [_target(row) for row in rows]


def bound_instance(session: Session, tenant: str, process: str, role: str, connector: str) -> str:
    """Like `find_bound`, at most five seconds old."""
    slot = _slot(session, tenant, process, role, connector)
    return _bound.recall(slot) or _bound.remember(slot, find_bound(session, tenant, process, role, connector))


def find_bound(session: Session, tenant: str, process: str, role: str, connector: str) -> str:
    """The name of the instance that fills a connector role of a process.

    A binding of the process wins over one for every process (`*`); without any, the only active instance of the
    connector is taken. Raises NotConfiguredError when there is none or the choice is not clear.
    """
    rows = session.execute(
        select(Binding.process, Binding.instance).where(
            Binding.tenant_id == tenant, Binding.role == role, Binding.process.in_((process, "*"))
        )
    ).all()
    bindings: dict[str, str] = {row.process: row.instance for row in rows}
    if name := bindings.get(process) or bindings.get("*"):
        return name
    names = session.scalars(
        select(ConnectorInstance.name).where(
            ConnectorInstance.tenant_id == tenant, ConnectorInstance.connector == connector, ConnectorInstance.active
        )
    ).all()
    if len(names) == 1:
        return names[0]
    if not names:
        raise NotConfiguredError(
            f"Für die Rolle „{role}“ im Prozess „{process}“ ist keine Anbindung des Typs „{connector}“ eingerichtet."
        )
    raise NotConfiguredError(
        f"Für die Rolle „{role}“ im Prozess „{process}“ kommen mehrere Anbindungen in Frage "
        f"({', '.join(sorted(names))}). Bitte eine davon zuordnen."
    )


def secret(name: str) -> str:
    """A secret by reference: file `secrets/NAME` in the data folder, or the variable HUB_SECRET_NAME."""
    file = settings().data / "secrets" / name
    if file.is_file():
        return file.read_text(encoding="utf-8").strip()
    variable = f"HUB_SECRET_{name.upper().replace('-', '_')}"
    if value := os.environ.get(variable):
        return value
    raise NotConfiguredError(f"Das Geheimnis „{name}“ fehlt (Datei secrets/{name} oder Variable {variable}).")


def store_secret(name: str, value: str) -> None:
    """Write a secret file readable by this user only."""
    folder = settings().data / "secrets"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = Path(os.path.join(folder, name))
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(value)


def _with_secrets(values: Any) -> Any:
    if isinstance(values, str) and values.startswith("secret:"):
        return secret(values.removeprefix("secret:"))
    if isinstance(values, Mapping):
        return {key: _with_secrets(value) for key, value in values.items()}
    if isinstance(values, list):
        return [_with_secrets(value) for value in values]
    return values


_ready: dict[tuple[str, int, str], Instance] = {}


def instance(found: Target) -> Instance:
    """A target ready for calls: manifest attached, secrets injected, settings checked. Cached per version.

    Raises NotConfiguredError for an unknown connector, a missing secret, unfit settings or a foreign stage.
    """
    slot = (found.name, found.version, str(sorted(found.settings.items())))
    if slot in _ready:
        return _ready[slot]
    if found.stage != settings().stage:
        raise NotConfiguredError(
            f"Die Anbindung „{found.name}“ gehört zur Stufe „{found.stage}“, dieser Hub zu „{settings().stage}“."
        )
    if found.connector not in registry():
        raise NotConfiguredError(f"Den Konnektor „{found.connector}“ gibt es in dieser Installation nicht.")
    manifest = registry()[found.connector]
    values = _with_secrets(found.settings)
    if faults := connectors.settings_faults(manifest, values):
        raise NotConfiguredError(f"Einstellungen der Anbindung „{found.name}“: " + "; ".join(str(f) for f in faults))
    ready = Instance(
        id=found.name,
        version=found.version,
        manifest=manifest,
        settings=values,
        stage=found.stage,
        timeout_s=float(found.limits.get("timeout_s", 30)),
    )
    _ready[slot] = ready
    return ready


def configure(
    session: Session,
    *,
    tenant: str,
    name: str,
    connector: str,
    title: str,
    owner: str,
    values: Mapping[str, Any],
    limits: Mapping[str, Any] | None = None,
    stage: str | None = None,
) -> Target:
    """Set up an instance or change it: a new version that becomes the active one; the same content changes nothing.

    Settings are checked on save. Raises NotConfiguredError.
    """
    _targets.clear()
    _bound.clear()
    _titles.clear()
    stage = stage or settings().stage
    limits = dict(limits or {})
    last = session.scalar(
        select(ConnectorInstance)
        .where(ConnectorInstance.tenant_id == tenant, ConnectorInstance.name == name)
        .order_by(ConnectorInstance.version.desc())
        .limit(1)
    )
    same = (
        last
        and last.active
        and (last.connector, last.settings, last.limits, last.stage)
        == (
            connector,
            dict(values),
            limits,
            stage,
        )
    )
    if last and same:
        return _target(last)
    row = ConnectorInstance(
        tenant_id=tenant,
        name=name,
        version=last.version + 1 if last else 1,
        connector=connector,
        title=title,
        stage=stage,
        owner=owner,
        settings=dict(values),
        limits=limits,
        active=True,
        created_at=now(),
    )
    instance(replace(_target(row), version=row.version))
    session.execute(
        update(ConnectorInstance)
        .where(ConnectorInstance.tenant_id == tenant, ConnectorInstance.name == name, ConnectorInstance.active)
        .values(active=False)
    )
    session.add(row)
    session.flush()
    return _target(row)


def load_city(session: Session, tenant: str, city: Mapping[str, Any]) -> None:
    """Bring in departments, competence, instances and bindings of a city file; repeating it changes nothing.

    Shape: `departments: [{id, title, number?}]`, `competence: [{service, kind, value, department}]`,
    `instances: [{name, connector, title, owner, settings, limits?}]`, `bindings: [{process, role, instance}]`.
    """
    for item in city.get("departments", ()):
        department = {"tenant_id": tenant, "id": item["id"], "title": item["title"], "number": item.get("number")}
        upsert.put(session, Department, department, key=("tenant_id", "id"))
    for item in city.get("competence", ()):
        competence = {
            "tenant_id": tenant,
            "service": item["service"],
            "kind": item["kind"],
            "value": str(item["value"]).casefold(),
            "department": item["department"],
        }
        upsert.put(session, Competence, competence, key=("tenant_id", "service", "kind", "value"))
    for item in city.get("instances", ()):
        configure(
            session,
            tenant=tenant,
            name=item["name"],
            connector=item["connector"],
            title=item["title"],
            owner=item["owner"],
            values=item["settings"],
            limits=item.get("limits"),
        )
    for item in city.get("bindings", ()):
        binding = {"tenant_id": tenant, "process": item["process"], "role": item["role"], "instance": item["instance"]}
        upsert.put(session, Binding, binding, key=("tenant_id", "process", "role"))
