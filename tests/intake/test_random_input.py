"""Whatever bytes come: the readers answer with a Problem or with what was sent, and leave no file behind."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any
from uuid import uuid4

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hub.intake import metadata
from hub.intake.upload import FormReader, safe_name
from hub.kit.blobs import FolderBlobs
from hub.kit.keys import DataKey
from hub.kit.problems import Problem
from tests.intake.conftest import PDF

KEY = DataKey(bytes(32))
BOUNDED = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
VALID = (
    b'--b\r\nContent-Disposition: form-data; name="metadata"\r\n\r\n{"service": "1"}\r\n'
    b'--b\r\nContent-Disposition: form-data; name="data"\r\nContent-Type: application/json\r\n\r\n{"a": 1}\r\n'
    b'--b\r\nContent-Disposition: form-data; name="attachment"; filename="p.pdf"\r\n'
    b"Content-Type: application/pdf\r\n\r\n" + PDF + b"\r\n--b--\r\n"
)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=10), inner, max_size=3),
    max_leaves=8,
)


def read(root: Path, pieces: list[bytes]) -> tuple[FormReader, Problem | None]:
    """Feed the pieces as they would come from the wire; after a problem everything is thrown away, as intake does."""
    reader = FormReader("multipart/form-data; boundary=b", KEY, FolderBlobs(root))
    try:
        for piece in pieces:
            reader.feed(piece)
        reader.finish()
    except Problem as problem:
        reader.abort()
        return reader, problem
    return reader, None


def left(root: Path) -> list[Path]:
    return [path for path in root.rglob("*") if path.is_file()]


def cut(body: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted({place % (len(body) + 1) for place in places}), len(body)]
    return [body[start:end] for start, end in pairwise(edges)]


@BOUNDED
@given(places=st.lists(st.integers(0, 10_000), max_size=12))
def test_a_form_reads_the_same_however_it_is_cut(tmp_path: Path, places: list[int]) -> None:
    reader, problem = read(tmp_path / uuid4().hex, cut(VALID, places))
    assert problem is None
    assert (reader.parts.metadata, reader.parts.data) == (b'{"service": "1"}', b'{"a": 1}')
    (upload,) = reader.parts.uploads
    assert (upload.name, upload.media_type, upload.blob.size) == ("p.pdf", "application/pdf", len(PDF))
    assert upload.faults == ()


@BOUNDED
@given(end=st.integers(0, len(VALID) - 7), places=st.lists(st.integers(0, 10_000), max_size=5))
def test_a_form_that_ends_early_is_refused_and_leaves_nothing(tmp_path: Path, end: int, places: list[int]) -> None:
    root = tmp_path / uuid4().hex
    _, problem = read(root, cut(VALID[:end], places))
    assert problem is not None
    assert problem.status == 400
    assert left(root) == []


@BOUNDED
@given(body=st.binary(max_size=400), at=st.integers(0, len(VALID)), places=st.lists(st.integers(0, 10_000), max_size=5))
def test_a_damaged_form_never_breaks_the_reader(tmp_path: Path, body: bytes, at: int, places: list[int]) -> None:
    root = tmp_path / uuid4().hex
    _, problem = read(root, cut(VALID[:at] + body + VALID[at:], places))
    if problem is not None:
        assert problem.status in {400, 413}
        assert left(root) == []


@BOUNDED
@given(told=st.dictionaries(st.sampled_from([*sorted(metadata.NAMES), "other", "", "a/b"]), JSON, max_size=6))
def test_metadata_is_understood_or_refused(told: dict[str, Any]) -> None:
    found = _parsed(orjson.dumps(told))
    if isinstance(found, Problem):
        assert found.status == 400
        assert orjson.dumps(found.body())
    else:
        assert set(told) <= metadata.NAMES
        assert found.kind
        assert all(told[name] is None or isinstance(told[name], str) for name in told)


def _parsed(data: bytes) -> metadata.Metadata | Problem:
    try:
        return metadata.parse(data)
    except Problem as problem:
        return problem


@BOUNDED
@given(data=st.binary(max_size=200))
def test_metadata_of_any_bytes(data: bytes) -> None:
    with pytest.raises(Problem) as caught:
        metadata.parse(b"\xff" + data)
    assert caught.value.status == 400


@BOUNDED
@given(name=st.text(max_size=300) | st.binary(max_size=300).map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_a_file_name_is_only_a_name(name: str) -> None:
    found = safe_name(name)
    assert 0 < len(found.encode("utf-8")) <= 4 * 120
    assert len(found) <= 120
    assert not set(found) & set("/\\\0\r\n")
    assert found not in {".", ".."}
