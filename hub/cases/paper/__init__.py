"""Readable papers: PDF/A-3 with the machine-readable original attached, set by typst from our own templates.

Values reach a template as JSON data only, never as markup, so no content of an application can become a command.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from typing import Any, cast

import orjson
import typst


@lru_cache(maxsize=1)
def _fonts() -> typst.Fonts:
    """The fonts that typst carries; system fonts would make the same paper differ from host to host."""
    return typst.Fonts(include_system_fonts=False)


@lru_cache(maxsize=8)
def _template(name: str) -> bytes:
    return files(__package__).joinpath(f"{name}.typ").read_bytes()


def render(template: str, data: Mapping[str, Any], attached: Mapping[str, bytes] | None = None) -> bytes:
    """A PDF/A-3b (ISO 19005-3) of `template` filled with `data`.

    `data` needs `date` as [year, month, day] (the standard asks for one, and so the same input gives the same bytes);
    `attached` are files named in `data["attached"]` as {file, media_type, title}.
    """
    sources: dict[str, bytes] = {"main.typ": _template(template), "data.json": orjson.dumps(data)}
    for name, content in (attached or {}).items():
        sources[name] = content
    # typst takes files by name as well; its type stub does not say so yet.
    made: bytes = typst.compile(cast(Any, sources), format="pdf", pdf_standards=["a-3b"], font_paths=_fonts())
    return made
