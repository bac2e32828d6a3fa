"""From a room's error to the answer on the wire: RFC 9457 problem details, Vietnamese or English.

What they say is in `api.problem_words`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

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
from api.problem_words import MEDIA_TYPE, ROOTS, TEXTS, RoomError, language_of, problem
from ca.errors import AlreadyThere
from signing.disk_space import FULL
from signing.errors import StorageFull

if TYPE_CHECKING:
    from fastapi import FastAPI, Request

Handler = Callable[["Request", Exception], JSONResponse]

log = logging.getLogger("antin.problems")


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
        (OSError, _system_error),
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


def _system_error(request: Request, error: Exception) -> JSONResponse:
    if isinstance(error, OSError) and error.errno in FULL:
        return response(request, StorageFull("the disk of this service is full"))
    return _unexpected(request, error)


def _unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("unexpected %s", type(error).__name__, exc_info=error)
    return response(request, Unexpected("something failed that should not"))
