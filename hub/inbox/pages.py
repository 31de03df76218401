"""The caseworker's pages: my tasks, cases, one case with its documents, deciding."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote
from uuid import UUID

from fastapi import APIRouter, Request
from starlette.responses import Response, StreamingResponse

from hub.cases import documents as stored_documents
from hub.cases import opening, vault
from hub.cases.model import Case, Effect
from hub.identity.access import CASEWORKER, Actor
from hub.identity.pages import PostedForm, SignedIn
from hub.inbox import forms, lists, reading, service
from hub.inbox.schemas import Task, Wish
from hub.kit import web
from hub.library.profile import Form

router = APIRouter(include_in_schema=False)

PAGE_SIZE = 25
_WHOSE = {"free", "mine", "all"}
# What a browser may show by itself; everything else is only handed out as a download.
_INLINE = {"application/pdf", "image/jpeg", "image/png"}
_DOCUMENT_POLICY = (
    "default-src 'none'; script-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; object-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)


@router.get("/")
def inbox(request: Request, actor: SignedIn) -> Response:
    """My tasks; people who work on no cases get their own start page."""
    if CASEWORKER not in actor.roles:
        return web.to("/overview")
    given = request.query_params
    whose = given.get("whose", "free")
    wish = Wish(
        whose=whose if whose in _WHOSE else "free",
        department=given.get("department") or None,
        service=given.get("service") or None,
        after=given.get("after"),
        size=PAGE_SIZE,
    )
    with request.app.state.db.read() as session:
        page = lists.tasks(session, actor, wish)
        values: dict[str, Any] = {
            "page": page,
            "wish": wish,
            "counts": lists.count_tasks(session, actor),
            "departments": lists.own_departments(session, actor),
            "services": lists.own_services(session, actor),
            "given": {name: given.get(name, "") for name in ("whose", "department", "service")},
        }
    if request.headers.get("hx-target") == "task-list":
        return web.render(request, "fragments/tasks.html", **values)
    return web.render(request, "inbox.html", active="tasks", **values)


@router.get("/cases")
def cases(request: Request, actor: SignedIn) -> Response:
    """The cases of my departments, or what a number finds."""
    if CASEWORKER not in actor.roles:
        return web.to("/overview" + web.query({"number": request.query_params.get("q", "").strip()[:20]}))
    given = request.query_params
    searched = given.get("q", "").strip()
    wish = Wish(
        state="closed" if given.get("state") == "closed" else "open",
        after=given.get("after"),
        size=PAGE_SIZE,
        department=given.get("department") or None,
        service=given.get("service") or None,
    )
    with request.app.state.db.read() as session:
        found = lists.search(session, actor, searched) if searched else None
        page = lists.cases(session, actor, wish) if found is None else None
        values: dict[str, Any] = {
            "page": page,
            "found": found,
            "searched": searched,
            "wish": wish,
            "departments": lists.own_departments(session, actor),
            "services": lists.own_services(session, actor),
            "given": {name: given.get(name, "") for name in ("state", "department", "service")},
        }
    if found is not None and len(found) == 1:
        return web.to(f"/cases/{found[0].number}")
    return web.render(request, "cases.html", active="cases", **values)


@router.get("/cases/{number}")
def case(request: Request, actor: SignedIn, number: str) -> Response:
    """One case: application, documents, deadlines, course, tasks. Reading it is audited."""
    return _case(request, actor, number)


def _case(
    request: Request, actor: Actor, number: str, status: int = 200, *, posted: tuple[UUID, forms.Answers] | None = None
) -> Response:
    with request.app.state.db.read() as session:
        opened = service.open_case(session, actor, number)
        view = reading.case_view(session, actor, opened)
        for task in view.tasks:
            if posted and task.effect.id == posted[0]:
                task.answers, task.faults = posted[1].values, posted[1].faults
    with request.app.state.db.write() as session:
        opening.note_read(session, actor, opened.case)
    return web.render(
        request,
        "case.html",
        status,
        active="cases",
        view=view,
        case=opened.case,
        forms=forms,
        inline=_INLINE,
        shown=forms.shown,
    )


@router.get("/cases/{number}/documents/{document_id}")
def document(request: Request, actor: SignedIn, number: str, document_id: UUID) -> Response:
    """A document: shown in the browser where that is safe, else handed out as a file. Reading it is audited."""
    with request.app.state.db.read() as session:
        found_case, found = service.document(session, actor, number, document_id)
        stream = vault.open_document(session, found)
    with request.app.state.db.write() as session:
        opening.note_read(session, actor, found_case, "document.read", document=str(found.id), sha256=found.sha256)
    inline = found.media_type in _INLINE and "download" not in request.query_params
    policy = _DOCUMENT_POLICY if inline and found.media_type == "application/pdf" else "default-src 'none'; sandbox"
    return StreamingResponse(
        iter(lambda: stream.read(256 * 1024), b""),
        media_type=found.media_type if inline else "application/octet-stream",
        headers={
            "Content-Disposition": f"{'inline' if inline else 'attachment'}; filename*=UTF-8''{quote(found.name)}",
            "Content-Length": str(found.size),
            "Content-Security-Policy": policy,
            "Cache-Control": "no-store",
            "X-Content-Type-Options": "nosniff",
        },
    )


@router.post("/tasks/{task_id}/claim")
def claim(request: Request, actor: SignedIn, task_id: UUID, form: PostedForm) -> Response:
    """Take a task; with `over` from somebody else."""
    with request.app.state.db.write() as session:
        found = service.claim(session, actor, task_id, over=form.get("over") == "yes")
    return _after_claim(request, found, form, task_id, "Sie haben die Aufgabe übernommen.")


@router.post("/tasks/{task_id}/release")
def release(request: Request, actor: SignedIn, task_id: UUID, form: PostedForm) -> Response:
    """Give a task back."""
    with request.app.state.db.write() as session:
        found = service.release(session, actor, task_id)
    return _after_claim(request, found, form, task_id, "Die Aufgabe ist wieder frei.")


def _after_claim(request: Request, found: Case, form: web.Form, task_id: UUID, message: str) -> Response:
    if request.headers.get("hx-request") != "true":
        return web.to(web.local(form.get("back"), f"/cases/{found.number}#task-{task_id}"), message)
    actor = request.state.actor
    with request.app.state.db.read() as session:
        effect, current = service.open_task(session, actor, task_id)
        row = lists.task_row(session, actor, effect, current)
    return web.render(request, "fragments/task_row.html", row=row, said=message, back=web.local(form.get("back")))


@router.post("/tasks/{task_id}/fields")
def fields(request: Request, actor: SignedIn, task_id: UUID, form: PostedForm) -> Response:
    """The form's fields as the answers so far want them (`show_when`); nothing is stored."""
    with request.app.state.db.read() as session:
        effect, found = service.open_task(session, actor, task_id)
        task = _posted_task(session, effect, found, form)
        stored = stored_documents.of_case(session, found.id, vault.key)
    return web.render(request, "fragments/fields.html", task=task, documents=stored, forms=forms, shown=forms.shown)


def _posted_task(session: Any, effect: Effect, found: Case, posted: web.Form) -> Task:
    form = service.form_of(session, found, effect)
    answers = forms.read(form, posted, _document_ids(session, found, form))
    return Task(effect=effect, form=form, claimed_name=None, mine=True, hindrance=None, answers=answers.values)


def _document_ids(session: Any, found: Case, form: Form) -> list[str]:
    if not any(item.type == "documents" for item in form.fields):
        return []
    return [str(item.id) for item in stored_documents.of_case(session, found.id, vault.key)]


@router.post("/tasks/{task_id}")
def decide(request: Request, actor: SignedIn, task_id: UUID, form: PostedForm) -> Response:
    """Complete a task with the posted answers; with faults the page comes back with what was typed."""
    with request.app.state.db.read() as session:
        effect, found = service.open_task(session, actor, task_id)
        asked = service.form_of(session, found, effect)
        answers = forms.read(asked, form, _document_ids(session, found, asked))
    chosen = forms.action(asked, form)
    if chosen is None:
        return _case(request, actor, found.number, posted=(task_id, forms.Answers(answers.values)))
    if answers.faults and effect.state == "open":  # else `complete` says what became of the task
        return _case(request, actor, found.number, 422, posted=(task_id, answers))
    with request.app.state.db.write() as session:
        service.complete(session, actor, task_id, answers.values | {asked.submit.name: chosen})
    label = next(item.label for item in asked.submit.actions if item.value == chosen)
    return web.to(f"/cases/{found.number}", f"{effect.name}: „{label}“ ist gespeichert. Der Vorgang läuft weiter.")
