"""PDF objects and the reader that turns bytes into them (ISO 32000-1 clause 7.3).

Pure syntax: no cross-references, no streams' content, no decryption. The reader forgives what
every viewer forgives (odd spacing, odd numbers, unknown words) and raises `DamagedPdf` for what
cannot be an object. Positions are offsets into the buffer that was given, never copies of it.
"""

import re
from binascii import unhexlify
from itertools import repeat
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from pdf.errors import DamagedPdf, LimitExceeded
from pdf.limits import DEFAULT_LIMITS

if TYPE_CHECKING:
    import mmap

Buffer: TypeAlias = "bytes | mmap.mmap"

WHITESPACE = rb"\x00\t\n\x0c\r "
DELIMITERS = rb"()<>\[\]{}/%"
REGULAR = rb"[^" + WHITESPACE + DELIMITERS + rb"]"
SKIP = rb"(?:[" + WHITESPACE + rb"]++|%[^\r\n]*+)*+"


class Name(str):
    """A name object without its slash; never equal in kind to a string object (bytes)."""

    __slots__ = ()


class Ref(NamedTuple):
    """An indirect reference: `number generation R`."""

    number: int
    generation: int


class PdfDict(dict[str, "PdfObject"]):
    """A dictionary; remembers keys given twice and where a hexadecimal /Contents stands."""

    __slots__ = ("contents_span", "repeated")

    def __init__(self) -> None:
        super().__init__()
        self.repeated: frozenset[str] = frozenset()
        self.contents_span: tuple[int, int] | None = None


class Stream(NamedTuple):
    """A stream: its dictionary and where its data begins (length is the document's matter)."""

    entries: PdfDict
    start: int


PdfObject: TypeAlias = (
    "bool | int | float | bytes | Name | Ref | PdfDict | list[PdfObject] | Stream | None"
)

_TOKEN = re.compile(
    SKIP
    + rb"(?:"
    + rb"(?P<ref>(\d{1,10})["
    + WHITESPACE
    + rb"]++(\d{1,5})["
    + WHITESPACE
    + rb"]++R(?!"
    + REGULAR
    + rb"))"
    + rb"|/(?P<name>"
    + REGULAR
    + rb"*+)"
    + rb"|(?P<int>[+-]?\d{1,19}(?!"
    + REGULAR
    + rb"))"
    + rb"|(?P<open><<)|(?P<close>>>)|(?P<array>\[)|(?P<end>\])"
    + rb"|<(?P<hex>[0-9A-Fa-f"
    + WHITESPACE
    + rb"]*+)>"
    + rb"|\((?P<text>[^()\\\r]*+)\)"
    + rb"|(?P<word>"
    + REGULAR
    + rb"++)"
    + rb"|(?P<complex>\()"
    + rb"|(?P<badhex><[^>]*+>)"
    + rb"|(?P<brace>[{}])"
    + rb")"
)
_REF = rb"(\d{1,10})[" + WHITESPACE + rb"]++(\d{1,5})[" + WHITESPACE + rb"]++R(?!" + REGULAR + rb")"
_REF_RUN = re.compile(rb"(?:[" + WHITESPACE + rb"]*+" + _REF + rb"){4,}+")
_GAP = rb"(?:[" + WHITESPACE + rb"]++|%[^\r\n]*+[\r\n])++"
REFERENCE = re.compile(
    rb"(?<![0-9.])\+?(\d{1,10}+)" + _GAP + rb"\+?\d{1,5}+" + _GAP + rb"R(?!" + REGULAR + rb")"
)
"""A reference anywhere in raw bytes, with all that readers let stand in between."""
_NAME_ESCAPE = re.compile(rb"#([0-9A-Fa-f]{2})")
_NOT_HEX = re.compile(rb"[^0-9A-Fa-f]")
_STRING_PART = re.compile(rb"[^()\\\r]++|\\(?:[0-7]{1,3}|\r\n|.)|\r\n?|[()]", re.DOTALL)
_ESCAPES = {b"n": b"\n", b"r": b"\r", b"t": b"\t", b"b": b"\b", b"f": b"\x0c"}
_WORDS: dict[bytes, PdfObject] = {b"true": True, b"false": False, b"null": None}
_STOPPERS = frozenset({b"endobj", b"endstream", b"obj", b"xref", b"trailer", b"startxref"})
_MARK_DICT = object()
_NAMES: dict[bytes, Name] = {}
_NAME_CACHE_SIZE = 20_000


def read_object(  # noqa: C901, PLR0912 (one loop over tokens; splitting it costs a call a token)
    buffer: Buffer, position: int, end: int | None = None
) -> tuple[PdfObject, int]:
    """Read one direct object at `position`; give it and the position after it.

    Nesting is bounded by the default limit. Raises DamagedPdf where no object stands.
    """
    limit = len(buffer) if end is None else end
    stack: list[list[object]] = []
    spans: list[tuple[int, int] | None] = []
    match = _TOKEN.match
    while True:
        found = match(buffer, position, limit)
        if found is None:
            raise DamagedPdf(f"no object at byte {position}")
        position = found.end()
        kind = found.lastgroup
        value: object
        if kind == "close":
            if not stack or stack[-1][0] is not _MARK_DICT:
                raise DamagedPdf(f"a dictionary ends that was not opened, byte {position}")
            value = _dictionary(stack.pop(), spans.pop())
        elif kind == "end":
            if not stack or stack[-1][0] is _MARK_DICT:
                raise DamagedPdf(f"an array ends that was not opened, byte {position}")
            value = stack.pop()[1:]
            spans.pop()
        elif kind == "open" or kind == "array":  # noqa: PLR1714 (two comparisons beat a tuple in the hottest loop)
            if len(stack) >= DEFAULT_LIMITS.depth:
                raise LimitExceeded("objects nested too deeply", limit=DEFAULT_LIMITS.depth)
            stack.append([_MARK_DICT if kind == "open" else None])
            spans.append(None)
            if kind == "array":
                run = _REF_RUN.match(buffer, position, limit)
                if run is not None:
                    position = run.end()
                    stack[-1] += _references(run[0])
            continue
        else:
            value, position = _scalar(buffer, found, limit)
            if kind == "hex" and stack and stack[-1][0] is _MARK_DICT:
                frame = stack[-1]
                if len(frame) % 2 == 0 and frame[-1] == "Contents":
                    spans[-1] = (found.start("hex") - 1, position)
        if not stack:
            return value, position  # type: ignore[return-value]  # a PdfObject by now
        stack[-1].append(value)


def _scalar(  # noqa: PLR0911 (one return a kind of token)
    buffer: Buffer, found: re.Match[bytes], limit: int
) -> tuple[object, int]:
    kind = found.lastgroup
    position = found.end()
    if kind == "name":
        return _name(found["name"]), position
    if kind == "int":
        return int(found["int"]), position
    if kind == "ref":
        return Ref(int(found[2]), int(found[3])), position
    if kind == "text":
        return found["text"], position
    if kind == "hex":
        return _hexadecimal(found["hex"]), position
    if kind == "word":
        return _word(found["word"], found.start("word")), position
    if kind == "complex":
        return _literal(buffer, position, limit)
    if kind == "badhex":
        return _hexadecimal(_NOT_HEX.sub(b"", found["badhex"])), position
    return None, position


def _references(run: bytes) -> list[Ref]:
    """Read references that follow each other, as in a page tree, faster than one by one."""
    words = run.replace(b"\x00", b" ").split()
    # what the class of a named tuple does, without its calls
    numbers = zip(map(int, words[::3]), map(int, words[1::3]), strict=True)
    return list(map(tuple.__new__, repeat(Ref), numbers))


def _name(raw: bytes) -> Name:
    known = _NAMES.get(raw)
    if known is None:
        plain = _NAME_ESCAPE.sub(lambda m: bytes((int(m[1], 16),)), raw) if b"#" in raw else raw
        known = Name(plain.decode("latin-1"))
        if len(_NAMES) < _NAME_CACHE_SIZE:
            _NAMES[raw] = known
    return known


def _hexadecimal(digits: bytes) -> bytes:
    try:
        return unhexlify(digits)
    except ValueError:
        plain = "".join(digits.decode("ascii").replace("\x00", " ").split())
        return bytes.fromhex(plain + "0" * (len(plain) % 2))


def _word(word: bytes, position: int) -> PdfObject:
    if word in _WORDS:
        return _WORDS[word]
    if word in _STOPPERS:
        raise DamagedPdf(f"an object is not closed before byte {position}")
    try:
        return float(word) if b"_" not in word and word[:1] in b"+-.0123456789" else None
    except ValueError:
        return None


def _literal(buffer: Buffer, position: int, limit: int) -> tuple[bytes, int]:
    """Read a string with escapes or inner parentheses; `position` is after the first one."""
    parts: list[bytes] = []
    depth = 1
    match = _STRING_PART.match
    while True:
        found = match(buffer, position, limit)
        if found is None:
            raise DamagedPdf("a string is not closed")
        position = found.end()
        part = found[0]
        first = part[:1]
        if first == b"(":
            depth += 1
        elif first == b")":
            depth -= 1
            if not depth:
                return b"".join(parts), position
        elif first == b"\\":
            part = _escaped(part[1:])
        elif first == b"\r":
            part = b"\n"
        parts.append(part)


def _escaped(code: bytes) -> bytes:
    if code[:1].isdigit() and code[0] < ord("8"):
        return bytes((int(code, 8) & 0xFF,))
    if code in {b"\n", b"\r", b"\r\n"}:
        return b""
    return _ESCAPES.get(code, code)


def _dictionary(items: list[object], contents: tuple[int, int] | None) -> PdfDict:
    result = PdfDict()
    result.contents_span = contents
    repeated: set[str] = set()
    keys = items[1::2]
    values = items[2::2]
    if len(keys) != len(values):
        values.append(None)
    for key, value in zip(keys, values, strict=True):
        if not isinstance(key, Name):
            raise DamagedPdf("a dictionary key is not a name")
        if key in result:
            repeated.add(key)
        result[key] = value  # type: ignore[assignment]  # read by `read_object`
    if repeated:
        result.repeated = frozenset(repeated)
    return result


_PLAIN = frozenset({Ref, Name, bytes, int, bool, float, type(None)})


def same(  # noqa: PLR0911 (one return a kind of object)
    left: PdfObject, right: PdfObject
) -> bool:
    """Whether two direct objects are equal in kind and value (streams: dictionaries only)."""
    kind = type(left)
    if kind in _PLAIN and kind is type(right):
        return left == right
    if isinstance(left, PdfDict) and isinstance(right, PdfDict):
        if left.repeated != right.repeated:
            return False
        return left.keys() == right.keys() and all(same(left[k], right[k]) for k in left)
    if isinstance(left, Ref) or isinstance(right, Ref):
        return isinstance(left, Ref) and isinstance(right, Ref) and left == right
    if isinstance(left, Stream) or isinstance(right, Stream):
        return (
            isinstance(left, Stream)
            and isinstance(right, Stream)
            and same(left.entries, right.entries)
        )
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, (int, float)) and isinstance(right, (int, float)):
        return isinstance(left, bool) == isinstance(right, bool) and left == right
    return type(left) is type(right) and left == right
