"""Models and a small driver for the engine's tests."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

import workflows
from workflows import Context, Model

MODELS = Path(__file__).parent / "models"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.fixture
def context() -> Context:
    return Context(NOW, "case-1")


@pytest.fixture
def model() -> Callable[[str], Model]:
    return lambda name: workflows.load({f"{name}.bpmn": (MODELS / f"{name}.bpmn").read_bytes()})


@pytest.fixture
def wrap() -> Callable[[str], bytes]:
    """A whole file around the inside of a process."""

    def made(body: str, before: str = "") -> bytes:
        return (
            '<definitions xmlns="http://www.omg.org/spec/BPMN/20100524/MODEL" xmlns:hub="urn:ozg-hub:bpmn:1" '
            'xmlns:camunda="http://camunda.org/schema/1.0/bpmn" id="d" targetNamespace="urn:test">'
            f'{before}<process id="p" isExecutable="true">{body}</process></definitions>'
        ).encode()

    return made
