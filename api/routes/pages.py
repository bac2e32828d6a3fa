"""`/` says what runs here; `/docs` lists the calls. Plain HTML without scripts or outside files."""

import html
import json
from importlib.resources import files
from string import Template
from typing import Annotated, Literal

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, Response

router = APIRouter(include_in_schema=False)
_PAGES = files("api").joinpath("pages")
_METHODS = ("get", "post", "put", "patch", "delete")
_REFUSED = "400"
Lang = Annotated[Literal["vi", "en"], Query()]


@router.get("/")
def home(lang: Lang = "vi") -> HTMLResponse:
    """Show the first page, Vietnamese unless asked otherwise."""
    return HTMLResponse(_PAGES.joinpath(f"home.{lang}.html").read_text(encoding="utf-8"))


@router.get("/static/antin.css")
def style() -> Response:
    """Give the one style sheet."""
    text = _PAGES.joinpath("antin.css").read_text(encoding="utf-8")
    return Response(text, media_type="text/css", headers={"Cache-Control": "max-age=3600"})


@router.get("/docs")
def docs(request: Request) -> HTMLResponse:
    """List every call of the OpenAPI document with its parameters and answers."""
    document = request.app.openapi()
    rows = "".join(
        _operation(path, method, item[method])
        for path, item in sorted(document["paths"].items())
        for method in _METHODS
        if method in item
    )
    template = Template(_PAGES.joinpath("docs.html").read_text(encoding="utf-8"))
    return HTMLResponse(template.substitute(version=document["info"]["version"], operations=rows))


def _operation(path: str, method: str, operation: dict[str, object]) -> str:
    """Return one call as HTML."""
    return (
        f'<section><h2><span class="method {method}">{method.upper()}</span> '
        f"<code>{html.escape(path)}</code></h2>"
        f"<p>{html.escape(str(operation.get('description') or operation.get('summary', '')))}</p>"
        f"{_parameters(operation)}{_body(operation)}{_answers(operation)}</section>"
    )


def _parameters(operation: dict[str, object]) -> str:
    found = operation.get("parameters")
    if not isinstance(found, list) or not found:
        return ""
    items = "".join(
        f"<li><code>{html.escape(str(p['name']))}</code> ({html.escape(str(p['in']))}"
        f"{', required' if p.get('required') else ''}) "
        f"{html.escape(str(p.get('description', '')))}</li>"
        for p in found
    )
    return f"<h3>Parameters</h3><ul>{items}</ul>"


def _body(operation: dict[str, object]) -> str:
    body = operation.get("requestBody")
    if not isinstance(body, dict):
        return ""
    kinds = ", ".join(f"<code>{html.escape(str(kind))}</code>" for kind in body["content"])
    return f"<h3>Body</h3><p>{kinds}</p>{_examples(body['content'])}"


def _examples(content: dict[str, dict[str, object]]) -> str:
    return "".join(
        f"<pre>{html.escape(json.dumps(shown['example'], ensure_ascii=False, indent=1))}</pre>"
        for shown in content.values()
        if isinstance(shown.get("example"), dict)
    )


def _answers(operation: dict[str, object]) -> str:
    answers = operation.get("responses")
    if not isinstance(answers, dict):
        return ""
    items = "".join(
        f"<li><code>{html.escape(str(status))}</code> "
        f"{html.escape(str(answer.get('description', '')))}"
        f"{_examples(answer.get('content', {})) if str(status) < _REFUSED else ''}</li>"
        for status, answer in sorted(answers.items())
    )
    return f"<h3>Answers</h3><ul>{items}</ul>"
