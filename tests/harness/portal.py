"""A portal that keeps its promise to the applicant: it sends again, with the same key, until it holds a receipt."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx

from tests.harness.applications import BOUNDARY
from tests.harness.installation import Installation


class Portal:
    """Submits applications; ``receipts`` by idempotency key, ``tries`` says how often each was sent."""

    def __init__(self, hub: Installation) -> None:
        self._hub = hub
        self._token = hub.token()
        self.receipts: dict[str, dict[str, Any]] = {}
        self.tries: Counter[str] = Counter()

    def submit(self, key: str, body: bytes, *, give_up: Callable[[], bool] = lambda: False) -> dict[str, Any]:
        """Send until there is a 202. Raises RuntimeError for any answer that another try cannot change."""
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Idempotency-Key": key,
            "Content-Type": f"multipart/form-data; boundary={BOUNDARY}",
        }
        with httpx.Client(base_url=self._hub.address, timeout=20, trust_env=False) as client:
            while not give_up():
                self.tries[key] += 1
                try:
                    answer = client.post("/api/v1/submissions", content=body, headers=headers)
                except httpx.HTTPError:  # the web process was killed under us
                    time.sleep(0.2)
                    continue
                if answer.status_code == 202:
                    self.receipts[key] = answer.json()
                    return self.receipts[key]
                if answer.status_code < 500:
                    raise RuntimeError(f"{key}: {answer.status_code} {answer.text}")
                time.sleep(0.2)
        raise RuntimeError(f"{key}: gave up after {self.tries[key]} tries")
