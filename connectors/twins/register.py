"""The simulated trade register: an SFTP server that picks up notices and writes number and completion back."""

from __future__ import annotations

import hashlib
import tempfile
from pathlib import Path
from typing import Any

import asyncssh
import orjson
from lxml import etree

from connectors.manifest import LIBRARY
from connectors.twins.twin import Request, Response, Twin, answer
from xoev.safe import UnsafeInput, parse_xml

NAMESPACE = "{urn:ozg-hub:connector:trade-register:1}"


class TradeRegister(Twin):
    """Reads ``eingang/*.ok``, checks what it announces, writes ``ausgang/*.xml``."""

    name = "trade-register"
    title = "Gewerberegister"
    connector = "trade-register-sftp"
    user, password = "hub", "register"

    def __init__(self, *args: Any, **values: Any) -> None:
        super().__init__(*args, **values)
        self._temporary = None if self.data else tempfile.TemporaryDirectory()
        self.root = (self.data or Path(self._temporary.name if self._temporary else "")) / "sftp"
        for folder in ("eingang", "ausgang", "verarbeitet"):
            (self.root / folder).mkdir(parents=True, exist_ok=True)
        self._schema = etree.XMLSchema(etree.parse(str(LIBRARY / self.connector / "trade.xsd")))
        self._key = self._host_key()
        self._port = 0
        self._server: asyncssh.SSHAcceptor | None = None

    def _host_key(self) -> asyncssh.SSHKey:
        """The same key after a restart, since the hub compares it."""
        file = self.root.parent / "host_key"
        if not file.exists():
            asyncssh.generate_private_key("ssh-ed25519").write_private_key(str(file))
        return asyncssh.read_private_key(str(file))

    def instance_settings(self) -> dict[str, Any]:
        """Host, port, host key and sign-in."""
        shown = self._key.export_public_key().decode().split()
        return {
            "host": "127.0.0.1",
            "port": self._port,
            "user": self.user,
            "password": self.password,
            "folder": "/",
            "host_key": f"{shown[0]} {shown[1]}",
        }

    def handle(self, request: Request) -> Response:
        """Only the page and the control endpoints speak HTTP."""
        return answer(404)

    async def start(self) -> None:
        """Open the SFTP port; a restarted register keeps its port where it can."""
        saved = self.root.parent / "port"
        port = int(saved.read_text()) if saved.exists() else 0
        try:
            self._server = await self._listen(port)
        except OSError:
            self._server = await self._listen(0)
        self._port = self._server.get_port()
        saved.write_text(str(self._port))

    async def _listen(self, port: int) -> asyncssh.SSHAcceptor:
        twin = self

        class Door(asyncssh.SSHServer):
            def begin_auth(self, username: str) -> bool:
                return True

            def password_auth_supported(self) -> bool:
                return True

            def validate_password(self, username: str, password: str) -> bool:
                return (username, password) == (twin.user, twin.password) and not twin.faults.down

        def store(channel: Any) -> asyncssh.SFTPServer:
            return asyncssh.SFTPServer(channel, chroot=str(twin.root).encode())

        return await asyncssh.listen(
            "127.0.0.1", port, server_factory=Door, sftp_factory=store, server_host_keys=[self._key], encoding=None
        )

    async def stop(self) -> None:
        """Close the port."""
        if self._server is not None:
            self._server.close()

    async def tick(self) -> None:
        """Work on what is complete, and write the answers that are due."""
        for control in sorted((self.root / "eingang").glob("*.ok")):
            self._take(control)
        for message_id, _, body in self.ledger.due():
            self._write(message_id, body)
            self.ledger.sent(message_id)

    def _take(self, control: Path) -> None:
        key = control.stem
        message = control.with_suffix(".xml")
        parts = [message, *sorted(control.parent.glob(f"{key}-*"))]
        try:
            announced = orjson.loads(control.read_bytes())
            digests = {hashlib.sha256(part.read_bytes()).hexdigest() for part in parts[1:] if part.suffix != ".part"}
            root = parse_xml(message.read_bytes())
            valid = self._schema.validate(root) and {file["sha256"] for file in announced["dateien"]} <= digests
        except (OSError, UnsafeInput, orjson.JSONDecodeError, KeyError, TypeError):
            announced, root, valid = {}, None, False
        if valid and root is not None and not self.faults.take("reject"):
            self._book(key, root, announced)
        else:
            case = str(announced.get("vorgang", ""))
            self.ledger.called(key, "hand-over", "rejected")
            self.tell(
                key,
                f"{key}-rueckgabe",
                {"art": "rueckgabe", "schluessel": key, "vorgang": case, "grund": self.faults.reject_text},
            )
        for part in [*parts, control]:
            if part.exists():
                part.replace(self.root / "verarbeitet" / part.name)

    def _book(self, key: str, root: etree._Element, announced: dict[str, Any]) -> None:
        case = str(announced.get("vorgang", ""))
        number = f"GR-2026-{self.ledger.next('number') if not self.ledger.find(self.kind, key) else 0:06d}"
        title = root.findtext(f"{NAMESPACE}taetigkeit") or ""
        new = self.ledger.record(self.kind, key, number, {"title": title, "state": "eingetragen", "case": case})
        self.ledger.called(key, "hand-over", "created" if new else "again")
        if new:
            about = {"schluessel": key, "vorgang": case}
            self.tell(key, f"{key}-nummer", {"art": "nummer", **about, "registernummer": number})
            done = {"art": "abschluss", **about, "am": "2026-11-24", "verteilt": "true", "ergebnis": "eingetragen"}
            self.tell(key, f"{key}-abschluss", done, self.pace_s * 2)

    def _write(self, message_id: str, body: dict[str, Any]) -> None:
        root = etree.Element(str(body["art"]), id=message_id)
        for name, value in body.items():
            if name not in {"art", "id"}:
                etree.SubElement(root, name).text = str(value)
        for copy in range(2 if self.faults.answer_twice else 1):
            place = self.root / "ausgang" / f"{message_id}{'-2' if copy else ''}.xml"
            part = place.with_suffix(".part")
            part.write_bytes(etree.tostring(root, encoding="UTF-8", xml_declaration=True))
            part.replace(place)
