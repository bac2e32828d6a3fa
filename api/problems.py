"""From a room's error to the answer on the wire: RFC 9457 problem details, Vietnamese or English.

The rooms know nothing of HTTP; `problem_texts.toml` is the one table from a stable error code to a
status and to Vietnamese words. A test walks every error class of every room through it.
"""

from __future__ import annotations

import logging
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final, Literal

from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import IntegrityError, OperationalError, SQLAlchemyError
from starlette.exceptions import HTTPException

from api.errors import (
    ApiError,
    BodyTypeUnsupported,
    IdempotencyInProgress,
    MethodNotAllowed,
    NotReady,
    ParameterInvalid,
    PathUnknown,
    Unauthenticated,
    Unexpected,
)
from api.idempotency import RETRY_AFTER_SECONDS
from ca.errors import AlreadyThere, CaError
from db.errors import DbError
from hsm.errors import HsmError
from pdf.errors import PdfError
from signing.errors import SigningError

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

MEDIA_TYPE: Final = "application/problem+json"
RoomError = ApiError | CaError | DbError | HsmError | PdfError | SigningError
ROOTS: Final = (ApiError, CaError, DbError, HsmError, PdfError, SigningError)
Language = Literal["en", "vi"]
Handler = Callable[["Request", Exception], JSONResponse]
MAX_WEIGHTED = 20
"""Languages read from Accept-Language; more is no browser's list."""

log = logging.getLogger("antin.problems")


@dataclass(frozen=True, slots=True)
class ProblemText:
    """The table's row for one code."""

    status: int
    en: str
    vi: str
    do: str
    detail_vi: str | None = None


def _load() -> dict[str, ProblemText]:
    text = files("api").joinpath("problem_texts.toml").read_text(encoding="utf-8")
    return {code: ProblemText(**row) for code, row in tomllib.loads(text).items()}


TEXTS: Final = _load()


def language_of(accept_language: str | None) -> Language:
    """Choose Vietnamese or English by RFC 9110 12.5.4; English when neither is wanted more."""
    weights = {"en": 0.0, "vi": 0.0}
    for item in (accept_language or "").split(",")[:MAX_WEIGHTED]:
        tag, _, parameters = item.strip().partition(";")
        primary = tag.split("-")[0].strip().lower()
        if primary in weights:
            weights[primary] = max(weights[primary], _quality(parameters))
    return "vi" if weights["vi"] > weights["en"] else "en"


def _quality(parameters: str) -> float:
    name, _, value = parameters.strip().partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return min(1.0, max(0.0, float(value)))
    except ValueError:
        return 0.0


def problem(error: RoomError, language: Language, *, request_id: str = "") -> dict[str, object]:
    """Return the members of the problem: type, title, status, detail, code, what_to_do."""
    row = TEXTS[error.code]
    if language == "vi":
        title, advice = row.vi, row.do
        detail = (row.detail_vi or row.vi + ".").format_map(_Facts(vars(error)))
    else:
        title, advice = row.en, error.diagnostics()
        detail = str(error) or row.en
    members: dict[str, object] = {
        "type": f"urn:antin:problem:{error.code}",
        "title": title,
        "status": row.status,
        "detail": detail,
        "code": error.code,
        "what_to_do": advice,
    }
    if request_id:
        members["request_id"] = request_id
    return members


class _Facts(dict[str, object]):
    """Attributes of an error for a template; one that is missing shows as an ellipsis."""

    def __missing__(self, key: str) -> str:
        return "…"


def response(request: Request, error: RoomError) -> JSONResponse:
    """Render an error for this request's language."""
    language = language_of(request.headers.get("accept-language"))
    body = problem(error, language, request_id=request.scope.get("antin.request_id", ""))
    headers: dict[str, str] = {"Content-Language": language}
    if isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="antin"'
    if isinstance(error, IdempotencyInProgress):
        headers["Retry-After"] = str(RETRY_AFTER_SECONDS)
    status = TEXTS[error.code].status
    if status >= 500:  # noqa: PLR2004 -- the server's side of HTTP statuses
        log.error("code=%s request_id=%s %s", error.code, body.get("request_id"), error)
    return JSONResponse(body, status_code=status, headers=headers, media_type=MEDIA_TYPE)


def install(app: FastAPI) -> None:
    """Make every error of every room, and every foreign one, a problem."""
    for kind, handler in _handlers():
        app.add_exception_handler(kind, handler)


def answer(request: Request, error: Exception) -> JSONResponse:
    """Answer an error as the framework would, for the paths in front of it."""
    return next(handler for kind, handler in _handlers() if isinstance(error, kind))(request, error)


def _handlers() -> tuple[tuple[type[Exception], Handler], ...]:
    return (
        *((root, _room_error) for root in ROOTS),
        (RequestValidationError, _validation_error),
        (HTTPException, _http_exception),
        (SQLAlchemyError, _database_error),
        (Exception, _unexpected),
    )


def _room_error(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, ROOTS):  # the framework's signature is wider than what it sends here
        return _unexpected(request, error)
    return response(request, error)


def _validation_error(request: Request, error: Exception) -> JSONResponse:
    first = error.errors()[0] if isinstance(error, RequestValidationError) else {}
    where = ".".join(str(part) for part in first.get("loc", ()) if part != "body") or "body"
    return response(request, ParameterInvalid(where, str(first.get("msg", "not understood"))))


def _http_exception(request: Request, error: Exception) -> JSONResponse:
    if not isinstance(error, HTTPException):
        return _unexpected(request, error)
    translated: dict[int, ApiError] = {
        404: PathUnknown(f"nothing answers at {request.url.path}"),
        405: MethodNotAllowed(f"{request.method} is not answered at {request.url.path}"),
        400: ParameterInvalid("body", "the body cannot be read"),
        415: BodyTypeUnsupported("Content-Type", "this content type is not taken here"),
    }
    answer = response(request, translated.get(error.status_code, Unexpected(error.detail)))
    if error.headers is not None and "Allow" in error.headers:
        answer.headers["Allow"] = error.headers["Allow"]
    return answer


def _database_error(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, IntegrityError):
        # Two callers raced for one unique value; the room's own check saw neither of them.
        log.warning("integrity error: %s", type(error.orig).__name__)
        return response(request, AlreadyThere("somebody stored the same just now"))
    if isinstance(error, OperationalError):
        log.error("database: %s", type(error.orig).__name__)
        return response(request, NotReady("the database does not answer"))
    return _unexpected(request, error)


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("unexpected %s", type(error).__name__, exc_info=error)
    return response(request, Unexpected("something failed that should not"))
