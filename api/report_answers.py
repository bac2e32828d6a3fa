"""Reports on the wire: which form the caller's Accept header asks for, in which language."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from fastapi.responses import Response

from api.problem_words import language_of
from pdf.report_words import Language
from signing.errors import FormNotOffered
from signing.report_forms import Form, render

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fastapi import Request

    from pdf.differences import Difference
    from pdf.report import JSON

FORMS: Final = {
    "application/json": Form.JSON,
    "application/xml": Form.XML,
    "text/html": Form.HTML,
    "application/pdf": Form.PDF,
}
NOTICES: Final = {"application/pdf": Form.NOTICE_PDF, "text/html": Form.NOTICE_HTML}
MAX_WEIGHTED: Final = 20
_ALIASES: Final = {"text/xml": "application/xml", "application/xhtml+xml": "text/html"}
PICTURED: Final = frozenset({Form.HTML, Form.PDF})
"""Forms that show pictures of changed pages."""
_STYLED: Final = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; "
    "frame-ancestors 'none'"
)


def chosen(accept: str | None, offered: Mapping[str, Form]) -> Form:
    """Choose a form by RFC 9110 12.5.1, the first offered one where nothing is preferred.

    FormNotOffered when nothing that is offered is accepted.
    """
    first = next(iter(offered.values()))
    if accept is None or not accept.strip():
        return first
    best, weight = None, 0.0
    wanted = [_weighted(item) for item in accept.split(",")[:MAX_WEIGHTED]]
    for kind, form in offered.items():
        found = _weight(kind, wanted)
        if found > weight:
            best, weight = form, found
    if best is None:
        raise FormNotOffered("offered are " + ", ".join(offered))
    return best


def _weighted(item: str) -> tuple[str, float]:
    name, *parameters = (part.strip() for part in item.split(";"))
    name = _ALIASES.get(name.lower(), name.lower())
    for parameter in parameters:
        key, _, value = parameter.partition("=")
        if key.strip().lower() == "q":
            try:
                return name, min(1.0, max(0.0, float(value)))
            except ValueError:
                return name, 0.0
    return name, 1.0


def _weight(kind: str, wanted: list[tuple[str, float]]) -> float:
    """Give the weight of the most specific range that names the type."""
    for ranged in (kind, f"{kind.partition('/')[0]}/*", "*/*"):
        weights = [weight for name, weight in wanted if name == ranged]
        if weights:
            return max(weights)
    return 0.0


def language_for(request: Request) -> Language:
    """Choose the language of a paper: Vietnamese unless English is wanted more."""
    accept = request.headers.get("accept-language")
    return Language.VI if not accept else Language(language_of(accept))


def answer(
    request: Request,
    report: Mapping[str, JSON],
    *,
    offered: Mapping[str, Form] = FORMS,
    headers: Mapping[str, str] | None = None,
    differences: Sequence[Difference] = (),
) -> Response:
    """Write a report as the caller's headers ask for, with pictures of changed pages."""
    form = chosen(request.headers.get("accept"), offered)
    language = language_for(request)
    written = render(report, form, language=language, differences=differences)
    given = {**(headers or {}), "Vary": "Accept, Accept-Language"}
    if form not in {Form.JSON, Form.XML}:
        given["Content-Language"] = language.value
    if form in {Form.HTML, Form.NOTICE_HTML}:
        given["Content-Security-Policy"] = _STYLED
    return Response(written.content, media_type=written.media_type, headers=given)
