"""Where the files lie that come with the program: in a checkout beside the packages, in the wheel inside them."""

from __future__ import annotations

from pathlib import Path

import hub

__all__ = ["browser_assets", "connector_library", "migrations", "process_library", "static"]

_HUB = Path(hub.__file__).resolve().parent
_WHEEL = _HUB / "_data"


def process_library() -> Path:
    """The folder with one folder per public service."""
    return _beside("process-library")


def migrations() -> Path:
    """The alembic script location."""
    return _beside("migrations")


def connector_library() -> Path:
    """The folder with one folder per connector; inside the package ``connectors`` in both cases."""
    return _HUB.parent / "connectors" / "library"


def static() -> Path:
    """Our own style sheets and scripts, served below ``/static``."""
    return _HUB / "static"


def browser_assets() -> Path:
    """What ``make setup`` fetched: KERN UX, htmx, bpmn-js. ``contents.json`` lists files with digests."""
    return static() / "vendor"


def _beside(name: str) -> Path:
    packed = _WHEEL / name
    return packed if packed.is_dir() else _HUB.parent / name
