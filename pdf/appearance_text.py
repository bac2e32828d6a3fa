"""Whether a field's appearance shows its value, as far as the drawing operators tell.

A text field is two things: the value that programs read and the drawing that people see. Filling
in changes both together; changing the drawing alone shows people something that was never said.
"""

import re

from pdf.document import View
from pdf.errors import PdfError
from pdf.signature_fields import text
from pdf.syntax import Name, PdfDict, PdfObject, Stream, read_object

_SHOW = re.compile(rb"(?<![A-Za-z])(Tj|TJ|Do|BI)(?![A-Za-z])|(?<![\w])(['\"])(?!\w)")
_OPERAND = re.compile(rb"[\[(<]")
_MAX_CONTENT = 1024 * 1024
_PUNCTUATION = re.compile(r"[\W_]+")


def shows_value(view: View, appearance: PdfObject, value: PdfObject) -> bool:
    """Whether the normal appearance draws the value's text and nothing else."""
    dictionary = view.dictionary(appearance)
    if dictionary is None:
        return True
    wanted = _wanted(view, value)
    for key in ("N", "R", "D"):
        stream = view.resolve(dictionary.get(key))
        if stream is None:
            continue
        if not isinstance(stream, Stream):
            return False
        shown = _shown(view, stream)
        if shown is None:
            return False
        if not _agree(shown, wanted):
            return False
    return True


def _wanted(view: View, value: PdfObject) -> str:
    if isinstance(value, Stream):
        try:
            return text(view.decoded(value))
        except PdfError:
            return ""
    if isinstance(value, list):
        return " ".join(text(view.resolve(item)) for item in value)
    return text(value) if isinstance(value, (bytes, Name)) else ""


def _agree(shown: list[bytes], wanted: str) -> bool:
    simple = _fold(b"".join(shown).decode("latin-1"))
    if not simple:
        return True
    if simple in _fold(wanted) or _fold(wanted) in simple == _fold(wanted):
        return True
    # Glyph numbers of a composite font say nothing here; the value then decides by its length.
    raw = b"".join(shown)
    wide = raw.count(b"\x00") * 2 >= len(raw) or any(byte > 0x7F for byte in raw)
    return wide and bool(wanted) and len(raw) <= 2 * len(wanted) + 2


def _fold(words: str) -> str:
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
    if isinstance(operand, PdfDict):
        return []
    return []
