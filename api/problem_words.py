"""What a problem says: the table from a room's error code to a status and Vietnamese words.

The rooms know nothing of HTTP; `problem_texts.toml` is the one table, and `problem_reasons.toml`
says which of several mistakes it was. Tests walk every error of every room through them. The
command line uses these words too, so nothing of a server is loaded.
"""

from __future__ import annotations

import json
import tomllib
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Final, Literal

from api.errors import ApiError, RowsRefused
from ca.errors import CaError
from db.errors import DbError
from hsm.errors import HsmError
from pdf.errors import PdfError
from signing.errors import SigningError

if TYPE_CHECKING:
    from collections.abc import Iterable

MEDIA_TYPE: Final = "application/problem+json"
RoomError = ApiError | CaError | DbError | HsmError | PdfError | SigningError
ROOTS: Final = (ApiError, CaError, DbError, HsmError, PdfError, SigningError)
Language = Literal["en", "vi"]
MAX_WEIGHTED: Final = 20
"""Languages read from Accept-Language; more is no browser's list."""


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
REASONS: Final[dict[str, dict[str, str]]] = tomllib.loads(
    files("api").joinpath("problem_reasons.toml").read_text(encoding="utf-8")
)
"""In Vietnamese, by code: what the stable words mean that an error's `reason` can be."""


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
        detail = _detail_in_vietnamese(error, row)
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
    if isinstance(error, RowsRefused):  # an extension member, RFC 9457 3.2
        members |= error.members
    return members


def encoded(
    error: RoomError, headers: Iterable[tuple[bytes, bytes]], *, request_id: str = ""
) -> tuple[int, bytes, list[tuple[bytes, bytes]]]:
    """Return the status, the body and its headers, for doors without the framework.

    `headers` are those of the request.
    """
    language = language_of(dict(headers).get(b"accept-language", b"").decode("latin-1"))
    body = json.dumps(problem(error, language, request_id=request_id)).encode()
    described = [
        (b"content-type", MEDIA_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
        (b"content-language", language.encode()),
    ]
    return TEXTS[error.code].status, body, described


def _detail_in_vietnamese(error: RoomError, row: ProblemText) -> str:
    """Fill in the row's template, or say the title; which mistake it was is said, where known."""
    word = getattr(error, "reason", "")
    reason = REASONS.get(error.code, {}).get(word, "")
    if row.detail_vi is None:
        return f"{row.vi}: {reason}." if reason else f"{row.vi}."
    said = f"{reason} ({word})" if reason else word
    return row.detail_vi.format_map(_Facts(vars(error) | {"reason": said}))


class _Facts(dict[str, object]):
    """Attributes of an error for a template; one that is missing shows as an ellipsis."""

    def __missing__(self, key: str) -> str:
        return "…"
