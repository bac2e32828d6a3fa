"""The ByteRange, checked literally (ISO 32000-2 clause 12.8.1, EN 319 142-1 clause 5.5).

A signature protects exactly the bytes its /ByteRange names. It means something only when those are
everything from the first byte to the end of a revision except the one hexadecimal string that
holds the signature itself, brackets included. Anything looser leaves room for unsigned content.
"""

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from pdf.document import Document
from pdf.passes import pieces
from pdf.signature_fields import FoundSignature, form_signatures
from pdf.signature_math import Digest
from pdf.syntax import Buffer, PdfObject, Ref
from pdf.view import View
from pdf.xref import PLAIN

_MARK = b"%%EOF"
_SPACE = b"\x00\t\n\x0c\r "
_TAIL_WINDOW = 4096
_STEERING_KEYS = frozenset(
    {"Contents", "ByteRange", "Type", "Filter", "SubFilter", "Cert", "Reference"}
)
"""Given twice, readers differ in what is signed, how, by whom, or what it permits."""


class Coverage(StrEnum):
    """How much of the file the signature covers."""

    WHOLE_FILE = "WHOLE_FILE"
    WHOLE_REVISION = "WHOLE_REVISION"
    PARTIAL = "PARTIAL"


@dataclass(frozen=True, kw_only=True)
class ByteRange:
    """The result of the check: `ranges` is (offset, length) pairs, empty when unusable.

    `problems` are message codes; with any of them the signature has no valid format.
    """

    ranges: tuple[tuple[int, int], ...]
    end: int
    coverage: Coverage
    problems: tuple[str, ...]
    revision: View | None

    @property
    def sound(self) -> bool:
        """Whether nothing was found wrong."""
        return not self.problems


def check_byte_range(document: Document, signature: FoundSignature) -> ByteRange:
    """Check the ByteRange of a signature against the file, byte for byte."""
    numbers = _numbers(document, signature)
    if numbers is None:
        return _nothing("BYTE_RANGE_MISSING")
    ranges = tuple(zip(numbers[::2], numbers[1::2], strict=False))
    problems = _shape(numbers, document.size)
    usable = not {"BYTE_RANGE_MALFORMED", "BYTE_RANGE_OUTSIDE_FILE"} & set(problems)
    end = max((start + length for start, length in ranges), default=0)
    if usable and not problems:
        problems += _gap(document, signature, ranges)
    coverage = Coverage.PARTIAL
    revision: View | None = None
    if not problems:
        coverage, revision, problems = _extent(document, signature, end)
    return ByteRange(
        ranges=ranges if usable else (),
        end=min(end, document.size),
        coverage=coverage,
        problems=tuple(problems),
        revision=revision,
    )


def _nothing(problem: str) -> ByteRange:
    return ByteRange(
        ranges=(), end=0, coverage=Coverage.PARTIAL, problems=(problem,), revision=None
    )


def _numbers(document: Document, signature: FoundSignature) -> list[int] | None:
    value: PdfObject = signature.dictionary.get("ByteRange")
    if isinstance(value, Ref):
        value = document.latest.resolve(value)
    if not isinstance(value, list) or not value:
        return None
    numbers = [item for item in value if isinstance(item, int) and not isinstance(item, bool)]
    return numbers if len(numbers) == len(value) else None


def _shape(numbers: list[int], size: int) -> list[str]:
    problems: list[str] = []
    if len(numbers) % 2 or any(number < 0 for number in numbers):
        return ["BYTE_RANGE_MALFORMED"]
    pairs = list(zip(numbers[::2], numbers[1::2], strict=True))
    if any(start + length > size for start, length in pairs):
        problems.append("BYTE_RANGE_OUTSIDE_FILE")
    if len(pairs) != 2:  # noqa: PLR2004 (before and after the signature)
        problems.append("BYTE_RANGE_NOT_TWO_PARTS")
    if numbers[0] != 0:
        problems.append("BYTE_RANGE_NOT_FROM_START")
    for (start, length), (following, _) in pairwise(pairs):
        if start + length >= following:
            problems.append("BYTE_RANGE_OVERLAP")
    return problems


def _gap(
    document: Document, signature: FoundSignature, ranges: tuple[tuple[int, int], ...]
) -> list[str]:
    span = signature.dictionary.contents_span
    if span is None or signature.holder is None:
        return ["CONTENTS_NOT_HEXADECIMAL"]
    if _STEERING_KEYS & signature.dictionary.repeated:
        return ["SIGNATURE_KEY_REPEATED"]
    indirect = document.indirect(signature.holder)
    if indirect is None or not signature.holder < span[0] < span[1] <= indirect.end:
        return ["BYTE_RANGE_GAP_WRONG"]
    if (ranges[0][1], ranges[1][0]) != span:
        return ["BYTE_RANGE_GAP_WRONG"]
    return []


def _extent(
    document: Document, signature: FoundSignature, end: int
) -> tuple[Coverage, View | None, list[str]]:
    """Whether the covered bytes are a whole revision, and one that holds this signature."""
    whole = end == document.size
    tail = bytes(document.buffer[max(0, end - _TAIL_WINDOW) : end]).rstrip(_SPACE)
    if not tail.endswith(_MARK):
        return Coverage.PARTIAL, None, ["BYTE_RANGE_ENDS_INSIDE_REVISION"]
    revision = document.view_at(end)
    if not _holds(document, revision, signature):
        return Coverage.PARTIAL, revision, ["SIGNATURE_NOT_IN_ITS_REVISION"]
    return Coverage.WHOLE_FILE if whole else Coverage.WHOLE_REVISION, revision, []


def _holds(document: Document, revision: View, signature: FoundSignature) -> bool:
    if revision is document.latest and signature.reachable:
        return True
    if signature.reachable and signature.number is not None:
        # That this revision's form reaches it too is seen in the comparison with the next one: a
        # field that takes up an object from before is a forbidden change there.
        entry = revision.entries.get(signature.number)
        return entry is not None and (entry.kind, entry.first) == (PLAIN, signature.holder)
    return any(found.holder == signature.holder for found in form_signatures(revision))


def digest_ranges(buffer: Buffer, ranges: tuple[tuple[int, int], ...], name: str) -> bytes:
    """Digest the covered bytes; raises ValueError for an unknown digest name."""
    engine = Digest(name)
    for start, length in ranges:
        for piece in pieces(buffer, start, length):
            engine.update(piece)
    return engine.finish()


def covered_bytes(buffer: Buffer, ranges: tuple[tuple[int, int], ...]) -> bytes:
    """Give the covered bytes themselves, for signatures made without attributes."""
    return b"".join(bytes(buffer[start : start + length]) for start, length in ranges)
