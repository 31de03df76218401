"""SFTP by paramiko: one connection per instance version and thread, host key compared with the setting.

Uploads go to ``<name>.part`` and are renamed (``posix-rename``); only a break during the rename leaves it open
whether the file is there.
"""

from __future__ import annotations

import os
import posixpath
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from fnmatch import fnmatch
from io import StringIO
from typing import BinaryIO

import paramiko

from connectors import answers
from connectors.contract import ConnectorError, Instance, Outcome
from connectors.transports import files
from connectors.transports.call import Call

_threads = threading.local()


class _HostKeyError(ConnectorError):
    """The machine shows another key than the one configured."""


class _RenameError(ConnectorError):
    """The connection broke while the finished upload was renamed."""


class Sftp:
    """A folder on the far machine."""

    def __init__(self, transport: paramiko.Transport, root: str) -> None:
        client = paramiko.SFTPClient.from_transport(transport)
        if client is None:
            raise paramiko.SSHException("no session")
        self._transport, self._client, self._root = transport, client, root

    @property
    def alive(self) -> bool:
        """Whether the connection still stands."""
        return self._transport.is_active()

    def close(self) -> None:
        """Give the connection up."""
        with suppress(Exception):
            self._transport.close()

    def _place(self, path: str) -> str:
        place = posixpath.normpath(posixpath.join(self._root, path))
        if ".." in place.split("/"):
            raise PermissionError(path)
        return place

    def put(self, path: str, content: BinaryIO) -> None:
        """Upload to ``.part``, then rename."""
        place = self._place(path)
        with self._client.open(place + ".part", "wb") as target:
            target.set_pipelined(True)
            while chunk := content.read(256 * 1024):
                target.write(chunk)
        try:
            self._client.posix_rename(place + ".part", place)
        except (EOFError, paramiko.SSHException, TimeoutError, ConnectionError) as error:
            raise _RenameError from error

    def exists(self, path: str) -> bool:
        """Whether the file is there."""
        try:
            self._client.stat(self._place(path))
        except FileNotFoundError:
            return False
        return True

    def waiting(self, path: str, pattern: str) -> Iterator[files.Listed]:
        """The files that wait in ``path``, by name."""
        place = self._place(path)
        for name in sorted(self._client.listdir(place)):
            if fnmatch(name, pattern) and not name.endswith(".part"):
                full = posixpath.join(place, name)
                with self._client.open(full, "rb") as source:
                    raw = source.read()
                yield files.Listed(name, raw, self._remover(full))

    def _remover(self, full: str) -> Callable[[], None]:
        def remove() -> None:
            with suppress(FileNotFoundError):
                self._client.remove(full)

        return remove


def connection(instance: Instance) -> Sftp:
    """The pooled connection of this thread. Raises paramiko and socket errors."""
    pool: dict[tuple[int, str, int, str], Sftp] = _threads.__dict__.setdefault("pool", {})
    settings = instance.settings
    key = (os.getpid(), instance.id, instance.version, f"{settings['host']}:{settings['port']}")
    if key in pool and not pool[key].alive:
        pool.pop(key).close()
    if key not in pool:
        pool[key] = Sftp(_connect(instance), str(settings.get("folder", ".")))
    return pool[key]


def _drop(instance: Instance) -> None:
    pool: dict[tuple[int, str, int, str], Sftp] = _threads.__dict__.get("pool", {})
    for key in [key for key in pool if key[1] == instance.id]:
        pool.pop(key).close()


def _connect(instance: Instance) -> paramiko.Transport:
    settings = instance.settings
    timeout = float(settings.get("connect_timeout_s", 5.0))
    sock = socket.create_connection((settings["host"], int(settings["port"])), timeout=timeout)
    sock.settimeout(float(settings.get("timeout_s", instance.timeout_s)))
    transport = paramiko.Transport(sock)
    try:
        wanted = str(settings["host_key"]).split()
        transport.get_security_options().key_types = [_algorithm(wanted[0])]
        transport.start_client(timeout=timeout)
        shown = transport.get_remote_server_key()
        if [shown.get_name(), shown.get_base64()] != wanted[:2]:
            raise _HostKeyError
        if settings.get("private_key"):
            transport.auth_publickey(settings["user"], _private_key(str(settings["private_key"])))
        else:
            transport.auth_password(settings["user"], str(settings.get("password", "")))
    except BaseException:
        transport.close()
        raise
    return transport


def _algorithm(key_type: str) -> str:
    return "rsa-sha2-512" if key_type == "ssh-rsa" else key_type


def _private_key(text: str) -> paramiko.PKey:
    for kind in (paramiko.Ed25519Key, paramiko.ECDSAKey, paramiko.RSAKey):
        with suppress(paramiko.SSHException):
            return kind.from_private_key(StringIO(text))
    raise paramiko.AuthenticationException("private key")


def perform(call: Call) -> Outcome:
    """Put or look; see :func:`failure` for what goes wrong."""
    try:
        return files.perform(call, connection(call.instance))
    except (OSError, EOFError, paramiko.SSHException, _HostKeyError, _RenameError) as error:
        _drop(call.instance)
        return failure(error, repeat_is_safe=call.repeat_is_safe)


def failure(error: Exception, *, repeat_is_safe: bool) -> Outcome:
    """Wrong key, password, folder or rights: IT. A break before the rename: nothing has appeared, so later. A break
    during the rename: unknown unless a second put is harmless."""
    detail = type(error).__name__
    if isinstance(error, _HostKeyError):
        say = (
            "Der Rechner zeigt einen anderen Schlüssel als vereinbart. Es wurde nichts übertragen. Bitte prüft die IT."
        )
        return answers.outcome("configuration", say=say, detail=detail)
    if isinstance(error, _RenameError) and not repeat_is_safe:
        return answers.outcome("unknown", detail=detail)
    ours = paramiko.AuthenticationException | paramiko.ssh_exception.IncompatiblePeer
    if isinstance(error, ours | FileNotFoundError | PermissionError):
        return answers.outcome("configuration", detail=detail)
    return answers.outcome("transient", detail=detail)


def check(instance: Instance) -> Outcome:
    """Connect, compare the host key, sign in, look at the folder."""
    try:
        connection(instance).exists(".")
    except (OSError, EOFError, paramiko.SSHException, _HostKeyError) as error:
        _drop(instance)
        return failure(error, repeat_is_safe=True)
    return answers.outcome("delivered", say="Verbindung und Anmeldung sind in Ordnung.")
