"""Errors of the `pdf` room on their way between this process and its workers."""

from collections.abc import Mapping
from typing import cast

from pdf import errors
from pdf.errors import PdfError


def told(error: Exception) -> dict[str, object]:
    """Write down an error: its class, what it carries, its words."""
    facts = {k: v for k, v in vars(error).items() if isinstance(v, str | int)}
    words = [str(part) for part in error.args]
    return {"refused": type(error).__name__, "facts": facts, "args": words}


def refusal(answer: Mapping[str, object]) -> PdfError:
    """Make again the error that the other side met."""
    kind = getattr(errors, str(answer["refused"]), PdfError)
    if not (isinstance(kind, type) and issubclass(kind, PdfError)):
        kind = PdfError
    error = kind.__new__(kind)
    error.args = tuple(cast("list[str]", answer["args"]))
    vars(error).update(cast("dict[str, object]", answer["facts"]))
    return error
