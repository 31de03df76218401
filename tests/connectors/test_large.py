"""Large plans cost disk, not memory; and a folder never shows half a file."""

from __future__ import annotations

import hashlib
import tracemalloc
from dataclasses import replace
from io import BytesIO, RawIOBase

from connectors import Attachment, Instance, find, golden, perform, plan
from connectors.conformance import instance_of
from connectors.transports.soap import write_envelope
from connectors.twins import DogTax
from connectors.xmltree import placeholder

SIZE = 64 * 1024 * 1024


class Zeros(RawIOBase):
    """A stream of ``SIZE`` zero bytes that is nowhere in memory."""

    def __init__(self) -> None:
        self.left = SIZE

    def read(self, size: int = -1) -> bytes:
        piece = b"\0" * min(size, self.left, 64 * 1024 - 1)
        self.left -= len(piece)
        return piece


def plan_file() -> Attachment:
    return Attachment("a1", "plan.pdf", "application/pdf", SIZE, hashlib.sha256(b"").hexdigest(), "Plan", Zeros)  # type: ignore[arg-type]


def test_an_envelope_with_a_large_plan_is_written_in_pieces(tmp_path) -> None:
    body = f"<a>{placeholder('a1')}</a>".encode()
    tracemalloc.start()
    with (tmp_path / "envelope").open("wb") as target:
        write_envelope(target, body, {"a1": plan_file()})
    assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    tracemalloc.stop()
    assert (tmp_path / "envelope").stat().st_size > SIZE * 4 // 3


def test_base64_pieces_join_to_the_same_bytes() -> None:
    import base64

    content = bytes(range(256)) * 3001
    file = replace(plan_file(), open=lambda: BytesIO(content))
    target = BytesIO()
    write_envelope(target, f"<a>{placeholder('a1')}</a>".encode(), {"a1": file})
    text = target.getvalue().partition(b"<a>")[2].partition(b"</a>")[0]
    assert base64.b64decode(text) == content


def test_a_large_multipart_arrives_whole() -> None:
    manifest = find()["dog-tax-rest"]
    sample = next(s for s in golden.samples(manifest) if s.operation)
    twin = DogTax()
    with twin.running():
        step = plan(manifest, "create-case")[0]
        content = b"%PDF" + b"x" * 5_000_000
        file = Attachment("b", "b.pdf", "application/pdf", len(content), "0" * 64, "B", lambda: BytesIO(content))
        assert perform(step, instance_of(manifest, twin), sample.message, [file]).kind == "delivered"
        assert next(iter(twin.records.values()))["files"] == [len(content)]


def test_a_missing_folder_is_for_it_and_not_created(tmp_path) -> None:
    manifest = find()["dms-xdomea-folder"]
    sample = next(s for s in golden.samples(manifest) if s.operation)
    gone = Instance("gone", 1, manifest, {"folder": str(tmp_path / "share")})
    step = plan(manifest, "file")[0]
    assert perform(step, gone, sample.message, sample.attachments).kind == "configuration"
    (tmp_path / "share").mkdir()
    assert perform(step, gone, sample.message, sample.attachments).kind == "delivered"
    assert [path.name for path in (tmp_path / "share").iterdir()] == [f"{sample.message.key}.zip"]
