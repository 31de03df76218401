"""DMN: decision tables and literal expressions over FEEL, with requirements between decisions.

``read(files)`` gives :class:`Decisions`; ``decisions.decide(id, scope)`` evaluates one of them.
"""

from __future__ import annotations

from workflows.dmn.decisions import Decision, Decisions
from workflows.dmn.reader import read

__all__ = ["Decision", "Decisions", "read"]
