"""A private RabbitMQ broker that a test may kill and start again on the same port and data."""

from __future__ import annotations

import contextlib
import secrets
import shutil
import signal
import socket
import tempfile
import time
from pathlib import Path

from tests.services.process import ServerProcess, free_port

_PROTOCOL_HEADER = b"AMQP\0\0\x09\x01"
# Limits are absolute, so that a nearly full disk or small machine does not block publishers.
_CONFIGURATION = """\
listeners.tcp.default = 127.0.0.1:{port}
log.file.level = warning
disk_free_limit.absolute = 50MB
vm_memory_high_watermark.absolute = 1GB
"""
# Two schedulers that do not spin while idle.
_ERLANG = "+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none"


def server_program() -> Path:
    """The real start script. The one in /usr/sbin changes user and drops our settings.

    Raises FileNotFoundError with the remedy.
    """
    found = sorted(Path("/usr/lib/rabbitmq/lib").glob("rabbitmq_server-*/sbin/rabbitmq-server"))
    if not found:
        raise FileNotFoundError(
            "RabbitMQ is not installed: sudo apt-get install --no-install-recommends rabbitmq-server"
        )
    return found[-1]


def epmd_program() -> str:
    """Erlang's port mapper. Raises FileNotFoundError with the remedy."""
    found = shutil.which("epmd", path="/usr/bin:/usr/sbin:/usr/local/bin")
    if found is None:
        raise FileNotFoundError("Erlang's epmd is not installed: it comes with the package rabbitmq-server")
    return found


class RabbitBroker:
    """A broker with its own port, data folder, cookie and port mapper.

    ``start()`` after ``kill()`` brings back quorum queues with every confirmed message, once
    ``wait_settled()`` has seen that the queues themselves are on disk.
    """

    def __init__(self) -> None:
        self._program = server_program()
        self.port = free_port()
        self._distribution, self._mapper_port = free_port(), free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="ozg-hub-mq-"))
        (self.folder / "enabled_plugins").write_text("[].\n")
        (self.folder / "env.conf").touch()
        (self.folder / "rabbitmq.conf").write_text(_CONFIGURATION.format(port=self.port))
        cookie = self.folder / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16))
        cookie.chmod(0o400)
        self._process: ServerProcess | None = None
        # Started by us in the foreground: RabbitMQ would start one as a daemon that outlives it.
        self._mapper = ServerProcess(
            [epmd_program(), "-port", str(self._mapper_port), "-address", "127.0.0.1"],
            folder=self.folder,
            log=self.folder / "epmd.log",
            environment=self._environment(),
        )

    @property
    def url(self) -> str:
        """Address in AMQP's form; the virtual host is ``/``."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}//"

    @property
    def alive(self) -> bool:
        """Whether the broker's process runs."""
        return self._process is not None and self._process.alive

    @property
    def pid(self) -> int:
        """Process id of the broker; it must be running."""
        assert self._process is not None
        return self._process.pid

    def start(self) -> None:
        """Start and wait until it speaks AMQP. Returns at once when it already runs."""
        if self.alive:
            return
        self._process = ServerProcess(
            [str(self._program)],
            folder=self.folder,
            log=self.folder / "out.log",
            environment=self._environment(),
        )
        self._process.wait_until(self._speaks)

    def wait_settled(self, *queues: str, seconds: float = 30) -> None:
        """Return once the broker has written down that these quorum queues exist.

        It does so about a second after their declaration. Killed before, it comes back with a queue that has messages
        and no leader, and every operation on it times out: await this after declaring and before killing.
        """
        end = time.monotonic() + seconds
        missing = set(queues)
        while missing:
            known = b"".join(path.read_bytes() for path in self.folder.glob("mnesia/*/quorum/*/names.dets"))
            missing = {name for name in missing if f"_{name}".encode() not in known}
            if time.monotonic() > end:
                raise TimeoutError(f"the broker did not write down its queues: {', '.join(sorted(missing))}")
            time.sleep(0.02)

    def kill(self) -> None:
        """SIGKILL: no good-bye to clients, nothing flushed."""
        if self._process:
            self._process.kill()

    def restart(self) -> None:
        """Kill and start again on the same port and data."""
        self.kill()
        self.start()

    def stop(self, *, graceful: bool = False) -> None:
        """End the broker and its port mapper and remove the folder."""
        if self._process and graceful:
            self._process.stop(signal.SIGTERM)
        self.kill()
        self._mapper.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _speaks(self) -> bool:
        """A broker that is up answers the protocol header with a method frame (type 1)."""
        with (
            contextlib.suppress(OSError),
            socket.create_connection(("127.0.0.1", self.port), timeout=0.5) as connection,
        ):
            connection.settimeout(2)
            connection.sendall(_PROTOCOL_HEADER)
            return connection.recv(1) == b"\x01"
        return False

    def _environment(self) -> dict[str, str]:
        folder = self.folder
        return {
            "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": str(folder),
            "LANG": "C.UTF-8",
            "ERL_EPMD_PORT": str(self._mapper_port),
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODENAME": f"test{self.port}@localhost",
            "RABBITMQ_NODE_IP_ADDRESS": "127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.port),
            "RABBITMQ_DIST_PORT": str(self._distribution),
            "RABBITMQ_BASE": str(folder),
            "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
            "RABBITMQ_LOG_BASE": str(folder / "log"),
            "RABBITMQ_PID_FILE": str(folder / "pid"),
            "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
            "RABBITMQ_CONF_ENV_FILE": str(folder / "env.conf"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(folder / "config"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG,
        }
