"""A simulated far system on a real socket, with faults that can be switched on while it runs.

In a thread: ``with DogTax().running() as address``. As a process: ``python -m connectors.twins dog-tax --port 0 --data
DIR``. Either way ``GET /__twin__/state`` shows counts and ``PUT /__twin__/faults`` switches faults, so that any process
can watch and disturb it; ``GET /`` is a page for people.
"""

from __future__ import annotations

import asyncio
import contextlib
import html
import logging
import socket
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qsl

import httpx
import orjson
import uvicorn

from connectors.inbound import sign
from connectors.twins.ledger import Ledger

log = logging.getLogger(__name__)

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]


@dataclass
class Faults:
    """What is broken right now. Numbers count the calls still affected; -1 means until switched off.

    ``down``: 503. ``slow_s``: waits before it answers. ``commit_then_drop``: does the work, then cuts the connection.
    ``drop``: cuts the connection before doing anything. ``answer_twice``: sends each of its messages twice.
    ``reject``: business refusals with ``reject_text``.
    """

    down: int = 0
    slow_s: float = 0.0
    commit_then_drop: int = 0
    drop: int = 0
    answer_twice: bool = False
    reject: int = 0
    reject_text: str = "Die Angaben sind unvollständig."

    def take(self, name: str) -> bool:
        """Whether the fault ``name`` hits this call; uses up one."""
        left = int(getattr(self, name))
        if left > 0:
            setattr(self, name, left - 1)
        return left != 0


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP call, read whole. Header names are in lower case."""

    method: str
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: bytes

    @property
    def key(self) -> str:
        """The idempotency key of the call, if any."""
        return self.headers.get("idempotency-key", "")

    def json(self) -> Any:
        """The body as JSON."""
        return orjson.loads(self.body)

    def parts(self) -> list[tuple[str, bytes]]:
        """(field name, content) of a multipart body."""
        boundary = self.headers.get("content-type", "").partition("boundary=")[2].strip('"').encode()
        found = []
        for piece in self.body.split(b"--" + boundary)[1:-1]:
            head, _, content = piece.partition(b"\r\n\r\n")
            name = head.partition(b'name="')[2].partition(b'"')[0].decode()
            found.append((name, content[:-2]))
        return found


@dataclass(frozen=True, slots=True)
class Response:
    """An answer."""

    status: int
    body: bytes = b""
    media_type: str = "application/json"
    headers: dict[str, str] = field(default_factory=dict)


def answer(status: int, value: Any = None) -> Response:
    """A JSON answer."""
    return Response(status, b"" if value is None else orjson.dumps(value))


class Twin:
    """Base of all twins: server, memory, faults, outbox of messages, control endpoints, page."""

    name: ClassVar[str]
    title: ClassVar[str]
    connector: ClassVar[str]
    kind: ClassVar[str] = "case"

    def __init__(
        self,
        data: Path | None = None,
        *,
        callback: str | None = None,
        webhook_secret: str = "twin-secret",
        pace_s: float = 0.2,
    ) -> None:
        if data is not None:
            data.mkdir(parents=True, exist_ok=True)
        self.data = data
        self.ledger = Ledger(data / f"{self.name}.sqlite" if data else None)
        self.faults = Faults()
        self.callback, self.webhook_secret, self.pace_s = callback, webhook_secret, pace_s
        self.address = ""

    # --- what a kind of twin supplies ---

    def handle(self, request: Request) -> Response:
        """Do the work of one call."""
        raise NotImplementedError

    def instance_settings(self) -> dict[str, Any]:
        """Settings with which the hub reaches this twin while it runs."""
        return {"endpoint": self.address, "webhook_secret": self.webhook_secret}

    async def start(self) -> None:
        """Start what runs beside HTTP."""

    async def stop(self) -> None:
        """Stop it."""

    async def tick(self) -> None:
        """Called a few times a second."""

    # --- what tests and the demo city look at ---

    @property
    def records(self) -> dict[str, dict[str, Any]]:
        """Business records by idempotency key."""
        return self.ledger.records(self.kind)

    @property
    def calls(self) -> Counter[str]:
        """Number of calls by idempotency key, repeated ones included."""
        return self.ledger.calls()

    def state(self) -> dict[str, Any]:
        """Counts for other processes."""
        return {
            "name": self.name,
            "title": self.title,
            "records": len(self.records),
            "kinds": self.ledger.counts(),
            "keys": list(self.records),
            "calls": dict(self.calls),
            "unsent": self.ledger.unsent(),
            "faults": asdict(self.faults),
            "callback": self.callback,
            "settings": self.instance_settings(),
        }

    def tell(self, key: str, message_id: str, body: dict[str, Any], delay_s: float | None = None) -> None:
        """Send a message to the hub later, until it is taken."""
        self.ledger.send_later(message_id, key, {"id": message_id, **body}, self.pace_s if delay_s is None else delay_s)

    # --- the server ---

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """The ASGI application."""
        if scope["type"] != "http":
            return
        request = await _read(scope, receive)
        if request.path.startswith("/__twin__/") or (request.path == "/" and request.method == "GET"):
            await _write(send, self._control(request))
            return
        if self.faults.slow_s:
            await asyncio.sleep(self.faults.slow_s)
        if self.faults.take("drop"):
            _cut(send)
            return
        if self.faults.take("down"):
            await _write(send, answer(503))
            return
        response = self.handle(request)
        if response.status < 300 and request.method != "GET" and self.faults.take("commit_then_drop"):
            _cut(send)
            return
        await _write(send, response)

    def _control(self, request: Request) -> Response:
        if request.path == "/__twin__/state":
            return answer(200, self.state())
        if request.path == "/__twin__/faults" and request.method in {"PUT", "POST"}:
            self.switch(request.json())
            return answer(200, asdict(self.faults))
        if request.path == "/__twin__/settings" and request.method in {"PUT", "POST"}:
            values = request.json()
            self.callback = values.get("callback", self.callback)
            self.webhook_secret = values.get("webhook_secret", self.webhook_secret)
            self.pace_s = float(values.get("pace_s", self.pace_s))
            return answer(200, {"callback": self.callback, "pace_s": self.pace_s})
        if request.path == "/":
            return Response(200, self.page().encode(), "text/html; charset=utf-8")
        return answer(404)

    def switch(self, values: Mapping[str, Any]) -> None:
        """Set faults by name; ``true`` means until switched off."""
        for name, value in values.items():
            current = getattr(self.faults, name)
            if isinstance(value, bool) and not isinstance(current, bool):
                value = -1 if value else 0
            setattr(self.faults, name, type(current)(value))

    def page(self) -> str:
        """What arrived, for a visitor of the demo city."""
        records = list(self.records.items())[-200:][::-1]
        rows = "".join(
            f"<tr><td>{html.escape(str(entry['number']))}</td><td>{html.escape(str(entry.get('title', '')))}</td>"
            f"<td>{html.escape(str(entry.get('state', '')))}</td><td><code>{html.escape(key)}</code></td></tr>"
            for key, entry in records
        )
        return (
            f"<!doctype html><html lang=de><meta charset=utf-8><title>{html.escape(self.title)}</title>"
            "<style>body{font:16px/1.5 sans-serif;margin:2rem}table{border-collapse:collapse;width:100%}"
            "td,th{border-bottom:1px solid #ccc;padding:.4rem;text-align:left}</style>"
            f"<h1>{html.escape(self.title)}</h1><p>Simulierte Fachanwendung der Demo-Stadt. Eingegangen: "
            f"{len(self.records)} Vorgänge mit {sum(self.calls.values())} Aufrufen.</p>"
            f"<table><tr><th>Nummer</th><th>Inhalt</th><th>Stand</th><th>Schlüssel</th></tr>{rows}</table></html>"
        )

    async def _deliver_messages(self) -> None:
        """Send what is due to the callback, signed, until the receiver takes it."""
        async with httpx.AsyncClient(timeout=10, trust_env=False) as client:
            while True:
                with contextlib.suppress(Exception):
                    await self.tick()
                for message_id, _, body in self.ledger.due() if self.callback else []:
                    if await self._post(client, body):
                        self.ledger.sent(message_id)
                    else:
                        self.ledger.postpone(message_id)
                await asyncio.sleep(0.05 if self.ledger.unsent() and self.callback else 0.2)

    async def _post(self, client: httpx.AsyncClient, body: dict[str, Any]) -> bool:
        content = orjson.dumps(body)
        ok = False
        for _ in range(2 if self.faults.answer_twice else 1):
            headers = {"Content-Type": "application/json", **sign(self.webhook_secret, content)}
            try:
                response = await client.post(str(self.callback), content=content, headers=headers)
            except httpx.HTTPError:
                return False
            ok = response.is_success
        return ok

    async def _serve(self, port: int, ready: Callable[[], None], stopping: asyncio.Event | None) -> None:
        sock = socket.create_server(("127.0.0.1", port))
        self.address = f"http://127.0.0.1:{sock.getsockname()[1]}"
        config = uvicorn.Config(
            self,
            log_config=None,
            lifespan="off",
            access_log=False,
            proxy_headers=False,
            server_header=False,
            timeout_keep_alive=30,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        await self.start()
        messages = asyncio.create_task(self._deliver_messages())
        serving = asyncio.create_task(server.serve(sockets=[sock]))
        try:
            while not server.started and not serving.done():
                await asyncio.sleep(0.005)
            ready()
            if stopping is None:
                await serving
            else:
                await stopping.wait()
                server.should_exit = True
                await serving
        finally:
            messages.cancel()
            await self.stop()

    def serve(self, port: int, ready: Callable[[], None]) -> None:
        """Run until a signal comes; ``ready`` is called once the address is known."""
        asyncio.run(self._serve(port, ready, None))
        self.ledger.close()

    @contextmanager
    def running(self, port: int = 0) -> Iterator[str]:
        """Run in a thread for the length of the ``with`` block; gives the address."""
        ready, loops = threading.Event(), dict[str, Any]()

        def body() -> None:
            async def main() -> None:
                loops["loop"], loops["stop"] = asyncio.get_running_loop(), asyncio.Event()
                await self._serve(port, ready.set, loops["stop"])

            try:
                asyncio.run(main())
            finally:
                ready.set()

        thread = threading.Thread(target=body, name=f"twin-{self.name}", daemon=True)
        thread.start()
        if not ready.wait(20) or not self.address:
            raise RuntimeError(f"twin {self.name} did not start")
        try:
            yield self.address
        finally:
            loops["loop"].call_soon_threadsafe(loops["stop"].set)
            thread.join(10)


async def _read(scope: Scope, receive: Receive) -> Request:
    body = []
    while True:
        message = await receive()
        body.append(message.get("body", b""))
        if not message.get("more_body"):
            break
    headers = {name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]}
    return Request(
        scope["method"], scope["path"], dict(parse_qsl(scope["query_string"].decode())), headers, b"".join(body)
    )


async def _write(send: Send, response: Response) -> None:
    headers = {"content-type": response.media_type, "content-length": str(len(response.body)), **response.headers}
    listed = [(name.encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": response.status, "headers": listed})
    await send({"type": "http.response.body", "body": response.body})


def _cut(send: Send) -> None:
    """Cut the TCP connection as a dying server does; uvicorn hands its cycle's method as ``send``."""
    cycle = getattr(send, "__self__")  # noqa: B009
    cycle.disconnected = True
    cycle.transport.abort()
