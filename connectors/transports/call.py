"""One call as a transport sees it, and the placeholders in its address."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from typing import Any
from urllib.parse import quote

from connectors import mapping
from connectors.contract import Attachment, Instance, Message
from connectors.declaration import Answer, Lookup, Step
from connectors.rules import PLACEHOLDER


@dataclass(frozen=True, slots=True)
class Call:
    """A step or a lookup, ready for a transport. ``context`` is what mappings read."""

    instance: Instance
    message: Message
    declared: Step | Lookup
    answers: Sequence[Answer]
    attachments: Sequence[Attachment]
    context: dict[str, Any]
    place: str

    @property
    def lookup(self) -> bool:
        """Whether this only asks."""
        return isinstance(self.declared, Lookup)

    @property
    def repeat_is_safe(self) -> bool:
        """Whether an unclear end may simply be tried again: asking, or ``repeat: safe``."""
        return isinstance(self.declared, Lookup) or self.declared.repeat == "safe"

    def address(self, text: str, *, escape: Callable[[str], str], **extra: Any) -> str:
        """``text`` with each ``{JSONata}`` replaced by its escaped value; MappingError when a value is missing."""

        def value(match: re.Match[str]) -> str:
            found = mapping.evaluate(match.group(1), {**self.context, **extra}, place=f"{self.place}: call")
            if found is None or isinstance(found, dict | list):
                raise mapping.MappingError(f"{self.place}: call", f"Kein einfacher Wert für {{{match.group(1)}}}.")
            return escape(str(found))

        return PLACEHOLDER.sub(value, text)

    def found(self, answer: Mapping[str, Any]) -> bool:
        """Whether a successful answer to a lookup says that the record exists; true for any step."""
        rule = self.declared.found if isinstance(self.declared, Lookup) else None
        return rule is None or mapping.evaluate(rule, dict(answer), place=f"{self.place}: found") is True

    def mapped(self) -> Any:
        """The result of the mapping file of this call."""
        if self.declared.map is None:
            return None
        return mapping.evaluate_file(self.instance.manifest.folder / self.declared.map, self.context)


def chosen(pattern: str, attachments: Sequence[Attachment]) -> list[Attachment]:
    """The attachments a step sends: ``none``, ``all`` or those whose name fits a pattern such as ``*0604.zip``."""
    if pattern == "none":
        return []
    if pattern == "all":
        return list(attachments)
    return [attachment for attachment in attachments if fnmatch(attachment.name, pattern)]


def url_part(value: str) -> str:
    """A value inside a URL."""
    return quote(value, safe="")


def file_part(value: str) -> str:
    """A value inside a file name: letters, digits, dot, dash and underscore only, so that no path can be left."""
    return re.sub(r"[^A-Za-z0-9._-]", "_", value).lstrip(".")[:120] or "_"
