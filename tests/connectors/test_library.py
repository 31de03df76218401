"""Every connector of the library keeps the contract: golden messages, double sending, timeout after commit."""

from __future__ import annotations

from operator import attrgetter

import pytest

from connectors import conformance, find, golden
from connectors.contract import Manifest


@pytest.mark.parametrize("connector", list(find()), ids=attrgetter("id"))
def test_a_connector_reaches_grade_c(connector: Manifest) -> None:
    report = conformance.check(connector)
    assert report.grade in {"A", "B", "C"}, [done for done in report.checks if not done.ok]


@pytest.mark.parametrize("connector", list(find()), ids=attrgetter("id"))
def test_every_operation_has_a_sample(connector: Manifest) -> None:
    tried = {sample.operation for sample in golden.samples(connector)}
    assert connector.operations.keys() <= tried
