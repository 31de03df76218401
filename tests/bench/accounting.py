"""Who used how much processor time: read from /proc, summed over process trees, the dead included."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class _Stat:
    parent: int
    own: int
    reaped: int


def _read(pid: str) -> _Stat | None:
    """Parent and times in ticks of one process (proc(5), fields 4 and 14 to 17)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return _Stat(int(fields[1]), int(fields[11]) + int(fields[12]), int(fields[13]) + int(fields[14]))


def _all() -> dict[int, _Stat]:
    found = {int(name): _read(name) for name in os.listdir("/proc") if name.isdigit()}
    return {pid: stat for pid, stat in found.items() if stat is not None}


def tree(root: int, stats: Mapping[int, _Stat]) -> list[int]:
    """``root`` and all its living descendants."""
    children: dict[int, list[int]] = {}
    for pid, stat in stats.items():
        children.setdefault(stat.parent, []).append(pid)
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        if pid in stats:
            found.append(pid)
        todo += children.get(pid, [])
    return found


def processor_seconds(groups: Mapping[str, Sequence[int]]) -> dict[str, float]:
    """Processor time used so far by each group of process trees, given by their roots.

    A child that ended is counted in the ``reaped`` time of the parent that waited for it, so a backend of PostgreSQL
    that came and went is not lost and nothing is counted twice.
    """
    stats = _all()
    return {
        name: sum(stats[pid].own + stats[pid].reaped for root in roots for pid in tree(root, stats)) / _TICK
        for name, roots in groups.items()
    }


def resident_megabytes(root: int) -> list[float]:
    """Resident memory of ``root`` and of each of its descendants, shared pages included in each."""
    sizes = []
    for pid in tree(root, _all()):
        try:
            pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
        except OSError:
            continue
        sizes.append(round(pages * _PAGE / 2**20, 1))
    return sizes
