"""Whether a field's appearance shows its value, as far as the drawing operators tell.

A text field is two things: the value that programs read and the drawing that people see. Filling
in changes both together; changing the drawing alone shows people something that was never said.
"""

import re

from pdf.errors import PdfError
from pdf.signature_fields import text
from pdf.syntax import Name, PdfObject, Stream, read_object
from pdf.view import View

_SHOW = re.compile(rb"(?<![A-Za-z])(Tj|TJ|Do|BI)(?![A-Za-z])|(?<![\w])(['\"])(?!\w)")
_OPERAND = re.compile(rb"[\[(<]")
_MAX_CONTENT = 1024 * 1024
_PUNCTUATION = re.compile(r"[\W_]+")


def shows_value(
    view: View, appearance: PdfObject, value: PdfObject, *, choice: bool = False
) -> bool | None:
    """Whether the appearance draws the value's text and nothing else.

    None when the drawing cannot be read as text (glyph numbers of a composite font). `choice`
    fields may draw further options beside the chosen one.
    """
    dictionary = view.dictionary(appearance)
    if dictionary is None:
        return True
    wanted = folded(value_text(view, value))
    known: bool | None = True
    for key in ("N", "R", "D"):
        stream = view.resolve(dictionary.get(key))
        if stream is None:
            continue
        shown = _shown(view, stream) if isinstance(stream, Stream) else None
        if shown is None:
            return False
        raw = b"".join(shown)
        words = folded(raw.decode("latin-1"))
        if words == wanted or (choice and wanted and wanted in words):
            continue
        if not _composite(raw):
            return False
        known = None
    return known


def fonts(view: View, appearance: PdfObject) -> list[PdfObject]:
    """Give the fonts that the normal appearance names, as they stand in its resources."""
    dictionary = view.dictionary(appearance)
    normal = view.dictionary(dictionary.get("N")) if dictionary is not None else None
    resources = view.dictionary(normal.get("Resources")) if normal is not None else None
    named = view.dictionary(resources.get("Font")) if resources is not None else None
    return list(named.values()) if named is not None else []


def _composite(raw: bytes) -> bool:
    """Two-byte glyph numbers: text of a simple font has no control characters."""
    return len(raw) % 2 == 0 and any(byte < ord(" ") for byte in raw)


def value_text(view: View, value: PdfObject) -> str:
    """Give a field's value in words; empty where it has none."""
    if isinstance(value, Stream):
        try:
            return text(view.decoded(value))
        except PdfError:
            return ""
    if isinstance(value, list):
        return " ".join(text(view.resolve(item)) for item in value)
    return text(value) if isinstance(value, (bytes, Name)) else ""


def folded(words: str) -> str:
    """Reduce words to what two ways of writing them have in common: letters and digits."""
    return _PUNCTUATION.sub("", words).casefold()


def _shown(view: View, stream: Stream) -> list[bytes] | None:
    """Strings that text operators draw; None when images or other drawings are used."""
    try:
        content = view.decoded(stream)
    except PdfError:
        return None
    if len(content) > _MAX_CONTENT:
        return None
    strings: list[bytes] = []
    position = 0
    while position < len(content):
        following = _OPERAND.search(content, position)
        operator = _SHOW.search(content, position, following.start() if following else len(content))
        if operator is not None and operator[1] in {b"Do", b"BI"}:
            return None
        if following is None:
            break
        try:
            operand, position = read_object(content, following.start())
        except PdfError:
            position = following.end()
            continue
        strings.extend(_strings(operand))
    return strings


def _strings(operand: PdfObject) -> list[bytes]:
    if isinstance(operand, bytes):
        return [operand]
    if isinstance(operand, list):
        return [item for item in operand if isinstance(item, bytes)]
    return []
