"""What the API says about itself: OpenAPI with its real errors and security, and a page for people made from it.

The page is rendered here: no script, and nothing is fetched from other hosts.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI, Request
from starlette.responses import Response

from hub.kit import web
from hub.kit.settings import settings

_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "code"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "code": {"type": "string"},
        "detail": {"type": "string"},
        "faults": {"type": "array", "items": {"type": "object"}},
    },
}
_PROBLEM_REF = {"$ref": "#/components/schemas/Problem"}
_WORDS = {"Successful Response": "Erfolgreich", "Validation Error": "Angaben fehlerhaft"}
_PLACES = {"header": "Kopfzeile", "query": "Adresse, nach ?", "path": "Adresse"}


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing the API can do, in words."""

    id: str
    method: str
    path: str
    summary: str
    parameters: list[tuple[str, str, str]]
    bodies: list[str]
    answers: list[tuple[str, str]]


def install(app: FastAPI) -> None:
    """Describe the API truthfully under `app.openapi_url` and show it under /api/docs."""
    describe = app.openapi

    def openapi() -> dict[str, Any]:
        if app.openapi_schema is None:
            _amend(describe())
        return describe()

    app.openapi = openapi  # type: ignore[method-assign]

    @app.get("/api/docs", include_in_schema=False)
    def page(request: Request) -> Response:
        return web.render(
            request, "api.html", operations=list(operations(app.openapi())), public_url=settings().public_url
        )


def _amend(spec: dict[str, Any]) -> None:
    """Errors are problems (RFC 9457), and who calls needs a token of /oauth/token."""
    parts = spec.setdefault("components", {})
    parts["schemas"] = {"Problem": _PROBLEM}
    parts["securitySchemes"] = {
        "portal": {"type": "oauth2", "flows": {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": {}}}}
    }
    for path, methods in spec["paths"].items():
        for operation in methods.values():
            if path.startswith("/api/v1/") and not path.startswith("/api/v1/inbound/"):
                operation["security"] = [{"portal": []}]
            for status, answer in operation["responses"].items():
                answer["description"] = _WORDS.get(answer["description"], answer["description"])
                if int(status) >= 400:
                    answer["content"] = {
                        "application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}
                    }


def operations(spec: dict[str, Any]) -> Iterator[Operation]:
    """Every operation of an OpenAPI description, in its order."""
    for path, methods in spec["paths"].items():
        for method, given in methods.items():
            yield Operation(
                id=given["operationId"],
                method=method.upper(),
                path=path,
                summary=given["summary"],
                parameters=[
                    (item["name"], _PLACES[item["in"]], str(item["schema"].get("example", "")))
                    for item in given.get("parameters", ())
                ],
                bodies=list(given.get("requestBody", {}).get("content", ())),
                answers=[(status, answer["description"]) for status, answer in given["responses"].items()],
            )
