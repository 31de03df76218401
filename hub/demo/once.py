"""`ozg-hub demo --once`: every sample application from the portal to the e-file and back, measured and reported."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import orjson
from sqlalchemy import select
from sqlalchemy.orm import Session

from hub.cases.model import Case, SubmissionCase
from hub.delivery.model import Delivery
from hub.demo import people
from hub.demo.installation import CLIENT, Installation, running
from hub.demo.samples import Sample, invoice_number_of_its_own, samples, submit
from hub.kit.settings import settings
from xoev import xdomea

LIMIT_S = 180.0


@dataclass(slots=True)
class Play:
    """One sample under way."""

    sample: Sample
    submission: UUID
    started: float
    case_id: UUID | None = None
    seconds: float | None = None


def token(client: httpx.Client, secret: str) -> str:
    """An access token by client credentials, as a portal gets it."""
    answer = client.post("/oauth/token", data={"grant_type": "client_credentials"}, auth=(CLIENT, secret))
    answer.raise_for_status()
    return str(answer.json()["access_token"])


def send_all(city: Installation, chosen: list[Sample]) -> list[Play]:
    """Submit samples through the API."""
    tag = f"{int(time.time()):x}"
    plays = []
    with httpx.Client(base_url=city.address, timeout=60) as client:
        access = token(client, city.client_secret)
        for sample in chosen:
            body = invoice_number_of_its_own(sample, tag) if sample.service == "xrechnung-eingang" else sample.body
            started = time.perf_counter()
            receipt = submit(client, access, sample, f"demo-{tag}-{sample.service}-{sample.name}"[:200], body)
            plays.append(Play(sample, UUID(receipt["id"]), started))
    return plays


def follow(city: Installation, plays: list[Play], *, limit_s: float = LIMIT_S) -> bool:
    """Let the caseworkers work until every case is closed and every delivery done; False when time ran out."""
    end = time.monotonic() + limit_s
    while time.monotonic() < end:
        with city.db.read() as session:
            open_ones = [play for play in plays if not _finished(session, play)]
        if not open_ones:
            return True
        answers = {play.case_id: play.sample.people for play in open_ones if play.case_id is not None}
        if not people.work(city.db, answers):
            time.sleep(0.1)
    return False


def _finished(session: Session, play: Play) -> bool:
    if play.seconds is not None:
        return True
    if play.case_id is None:
        play.case_id = session.scalar(
            select(SubmissionCase.case_id).where(SubmissionCase.submission_id == play.submission)
        )
    if play.case_id is None:
        return False
    state = session.scalar(select(Case.state).where(Case.id == play.case_id))
    deliveries = session.scalars(select(Delivery.state).where(Delivery.case_id == play.case_id)).all()
    if state == "closed" and all(item in {"delivered", "handed-over"} for item in deliveries) and deliveries:
        play.seconds = time.perf_counter() - play.started
        return True
    return False


def report(city: Installation, play: Play) -> dict[str, Any]:
    """What became of one sample."""
    line: dict[str, Any] = {
        "service": play.sample.service,
        "sample": play.sample.name,
        "title": play.sample.title,
        "submission": str(play.submission),
        "case": None,
        "state": "received",
        "aktenzeichen": None,
        "deliveries": [],
        "package": None,
        "validated": False,
        "seconds": play.seconds,
    }
    with city.db.read() as session:
        case = session.get(Case, play.case_id) if play.case_id else None
        if case is None:
            return line
        rows = session.execute(
            select(Delivery.id, Delivery.connector, Delivery.operation, Delivery.outcome, Delivery.instance)
            .where(Delivery.case_id == case.id)
            .order_by(Delivery.created_at)
        ).all()
        package = _package(city, [str(row.id) for row in rows if row.operation == "file"])
        line |= {
            "case": case.number,
            "state": case.state,
            "outcome": case.outcome,
            "aktenzeichen": case.aktenzeichen,
            "deliveries": [
                {"connector": row.connector, "operation": row.operation, "outcome": row.outcome} for row in rows
            ],
        }
    if package is not None:
        verdict = xdomea.validate_package(package, _standards())
        line |= {
            "package": str(package),
            "validated": verdict.validated and verdict.ok,
            "faults": [fault.as_dict() for fault in verdict.faults][:3],
        }
    return line


def _standards() -> Any:
    from xoev.packs import Standards

    return Standards(settings().standards_folders)


def _package(city: Installation, keys: list[str]) -> Any:
    """The filed xdomea package on disk: in the e-file's memory or in the folder it watches."""
    for key in keys:
        for path in sorted((settings().data / "city").rglob(f"*{key}*.zip"), reverse=True):
            return path
    return None


def good(line: dict[str, Any]) -> bool:
    """Delivered and filed."""
    return (
        line["state"] == "closed"
        and bool(line["aktenzeichen"])
        and line["package"] is not None
        and all(item["outcome"] in {"delivered", "handed-over"} for item in line["deliveries"])
    )


def run_once(*, as_json: bool) -> int:
    """Run it; 0 only if every sample was delivered and filed."""
    with running(0) as city:
        plays = send_all(city, samples())
        follow(city, plays)
        lines = [report(city, play) for play in plays]
    for line in lines:
        line["ok"] = good(line)
        if as_json:
            sys.stdout.buffer.write(orjson.dumps(line) + b"\n")
        else:
            print(_text(line))
    sys.stdout.flush()
    return 0 if all(line["ok"] for line in lines) else 1


def _text(line: dict[str, Any]) -> str:
    ways = ", ".join(f"{item['connector']} {item['outcome']}" for item in line["deliveries"])
    seconds = f"{line['seconds']:.1f} s" if line["seconds"] else "–"
    mark = "✓" if line["ok"] else "✗"
    stands = f"{line['case']} {line['state']}, {line['aktenzeichen']}"
    return f"{mark} {line['service']} / {line['title']}: {stands} ({ways}) {seconds}"
