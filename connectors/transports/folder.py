"""A folder (local or mounted share): atomic rename after fsync."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from fnmatch import fnmatch
from functools import partial
from pathlib import Path
from typing import BinaryIO

from connectors import answers
from connectors.contract import Instance, Outcome
from connectors.transports import files
from connectors.transports.call import Call


class Folder:
    """Files below one folder; no path leaves it."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def _place(self, path: str) -> Path:
        place = (self._root / path).resolve()
        if not place.is_relative_to(self._root.resolve()):
            raise PermissionError(path)
        return place

    def put(self, path: str, content: BinaryIO) -> None:
        """Write beside the target, fsync, rename, fsync the folder."""
        place = self._place(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        part = place.with_name(f"{place.name}.{os.getpid()}.part")
        with part.open("wb") as target:
            shutil.copyfileobj(content, target, 256 * 1024)
            target.flush()
            os.fsync(target.fileno())
        part.replace(place)
        handle = os.open(place.parent, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

    def exists(self, path: str) -> bool:
        """Whether the file is there."""
        return self._place(path).is_file()

    def waiting(self, path: str, pattern: str) -> Iterator[files.Listed]:
        """The files that wait below ``path``, oldest name first; ``.part`` files are still being written."""
        place = self._place(path)
        for entry in sorted(place.iterdir()) if place.is_dir() else []:
            if entry.is_file() and fnmatch(entry.name, pattern) and not entry.name.endswith(".part"):
                yield files.Listed(entry.name, entry.read_bytes(), partial(entry.unlink, missing_ok=True))


def folder(instance: Instance) -> Folder:
    """The folder of an instance; it must exist (a missing share is not silently replaced by a new folder)."""
    root = Path(str(instance.settings["folder"]))
    if not root.is_dir():
        raise FileNotFoundError(root)
    return Folder(root)


def perform(call: Call) -> Outcome:
    """Put or look; a full disk or a broken share is transient, missing rights and folders are for IT."""
    try:
        return files.perform(call, folder(call.instance))
    except OSError as error:
        return failure(error)


def failure(error: OSError) -> Outcome:
    """What a file system error means; the target never holds half a file, so nothing is unknown."""
    ours = isinstance(error, FileNotFoundError | NotADirectoryError | PermissionError | IsADirectoryError)
    return answers.outcome("configuration" if ours else "transient", detail=f"{type(error).__name__} {error.errno}")


def check(instance: Instance) -> Outcome:
    """Whether the folder exists and may be written."""
    try:
        Folder(Path(str(instance.settings["folder"])))
        ok = os.access(str(instance.settings["folder"]), os.R_OK | os.W_OK | os.X_OK)
    except OSError as error:
        return failure(error)
    say = "" if ok else "Der Ordner fehlt oder darf nicht beschrieben werden. Die IT ist zuständig."
    return answers.outcome("delivered" if ok else "configuration", say=say)
