"""What the handlers declare about their errors, for the OpenAPI document."""

from typing import Any, Final

from api.problem_words import MEDIA_TYPE

_MEANING: Final = {
    400: "The request cannot be understood",
    401: "No token, or one that is not in force",
    403: "The caller's roles do not allow it",
    404: "Nothing of that name",
    406: "The result is not offered in a form that is accepted",
    409: "It contradicts what is stored, or another request is under way",
    410: "No longer stored",
    413: "Too many bytes",
    415: "A content type that is not taken",
    422: "A parameter or document that cannot be accepted",
    423: "Locked",
    429: "Too much of this caller's within an hour",
    503: "A part of the server cannot work now",
    507: "The disk has no room for it",
}

_SCHEMA: Final = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "code", "what_to_do"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "code": {"type": "string"},
        "what_to_do": {"type": "string"},
        "request_id": {"type": "string"},
    },
    "example": {
        "type": "urn:antin:problem:parameter_invalid",
        "title": "Tham số không hợp lệ",
        "status": 422,
        "detail": "Tham số không hợp lệ: limit.",
        "code": "parameter_invalid",
        "what_to_do": "Sửa tham số được nêu; /docs và /openapi.json cho biết giá trị hợp lệ.",
        "request_id": "01a2031c43347e8b8ae077504fa8fa0a",
    },
}

# The framework's own annotation of a route's responses is this type, with Any in it.
Responses = dict[int | str, dict[str, Any]]


def problem_content() -> dict[str, Any]:
    """Return the content of an answer that is a problem (RFC 9457)."""
    return {MEDIA_TYPE: {"schema": _SCHEMA}}


def problems(*statuses: int) -> Responses:
    """Return the `responses` of a route that may answer with these problems, and with 401, 403."""
    return {
        status: {"description": _MEANING[status], "content": problem_content()}
        for status in sorted({401, 403, 422, *statuses})
    }
