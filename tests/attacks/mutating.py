"""Files with something wrong in them: bytes flipped, ends cut off, pieces of other files put in.

Mutation n of a seed is always the same file, so that one number repeats a finding. Half of the
places are chosen where a reader decides (cross-references, lengths, signature dictionaries), since
most bytes of a PDF are pixels.
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

_DECISIVE = re.compile(
    rb"startxref|xref|trailer|/ByteRange|/Contents|/Prev|/Root|/Size|/Index|/Length|/Filter|/W\b"
    rb"|/AcroForm|/Fields|/Kids|/Annots|/SubFilter|/XRefStm|/Encrypt|/DocMDP|/DSS|/V\b|obj|stream"
)
_NUMBER = re.compile(rb"\d+")
_NUMBERS = (b"0", b"-1", b"1", b"65536", b"2147483648", b"99999999999999999999", b"1e9", b"00000")
_MOST_PIECE = 4096
_MOST_MARKS = 4000


@dataclass(frozen=True)
class Source:
    """An honest file; `marks` are the places where its reader decides."""

    name: str
    data: bytes
    marks: tuple[int, ...]

    @classmethod
    def of(cls, name: str, data: bytes) -> "Source":
        marks = [found.start() for found in _DECISIVE.finditer(data)]
        return cls(name, data, tuple(marks[-_MOST_MARKS:]))


@dataclass(frozen=True)
class Mutant:
    number: int
    source: Source
    donor: Source
    kinds: tuple[str, ...]
    data: bytes


def mutant(number: int, *, seed: int, sources: Sequence[Source]) -> Mutant:
    """Make mutation `number`: one to three changes of one file."""
    dice = random.Random(f"{seed}/{number}")  # noqa: S311 (to be repeated, not to be secret)
    source, donor = dice.choice(sources), dice.choice(sources)
    data = source.data
    kinds = []
    for _ in range(dice.choice((1, 1, 1, 2, 3))):
        kind = dice.choice(tuple(_KINDS))
        data = _KINDS[kind](dice, data, source, donor)
        kinds.append(kind)
    return Mutant(number, source, donor, tuple(kinds), data)


def _place(dice: random.Random, data: bytes, source: Source) -> int:
    if source.marks and dice.random() < 0.5:
        return min(len(data), dice.choice(source.marks) + dice.randrange(40))
    if dice.random() < 0.2:
        return max(0, len(data) - dice.randrange(1, 2000))
    return dice.randrange(len(data) + 1)


def _flip(dice: random.Random, data: bytes, source: Source, _: Source) -> bytes:
    out = bytearray(data)
    for _number in range(dice.choice((1, 1, 2, 8))):
        place = _place(dice, data, source)
        if place < len(out):
            out[place] = out[place] ^ (1 << dice.randrange(8)) if dice.random() < 0.6 else (
                dice.randrange(256)
            )  # fmt: skip
    return bytes(out)


def _number(dice: random.Random, data: bytes, source: Source, _: Source) -> bytes:
    """Put another number where one stands: an offset, a length, a count, an object."""
    found = _NUMBER.search(data, _place(dice, data, source))
    if found is None:
        return data
    one_off = b"%d" % (int(found[0][:18]) + dice.choice((-1, 1)))
    return data[: found.start()] + dice.choice((*_NUMBERS, one_off)) + data[found.end() :]


def _truncate(dice: random.Random, data: bytes, source: Source, _: Source) -> bytes:
    if dice.random() < 0.3:
        ends = [found.end() for found in re.finditer(rb"%%EOF[\r\n]*|endobj", data)]
        if ends:
            return data[: dice.choice(ends[-20:])]
    return data[: _place(dice, data, source)]


def _cut_out(dice: random.Random, data: bytes, source: Source, _: Source) -> bytes:
    start = _place(dice, data, source)
    return data[:start] + data[start + 1 + int(dice.paretovariate(0.5)) % _MOST_PIECE :]


def _splice(dice: random.Random, data: bytes, source: Source, donor: Source) -> bytes:
    """Insert or lay over a piece of another file, or of the same one."""
    giver = dice.choice((donor, source))
    start = _place(dice, giver.data, giver)
    piece = giver.data[start : start + 1 + int(dice.paretovariate(0.4)) % _MOST_PIECE]
    at = _place(dice, data, source)
    return data[:at] + piece + data[at if dice.random() < 0.5 else at + len(piece) :]


def _tail(dice: random.Random, data: bytes, _: Source, donor: Source) -> bytes:
    """Append the end of another file, as somebody who glues files would."""
    start = len(donor.data) - min(len(donor.data), dice.choice((40, 400, 4000)))
    return data + donor.data[start:]


def _cross(dice: random.Random, data: bytes, source: Source, donor: Source) -> bytes:
    return data[: _place(dice, data, source)] + donor.data[_place(dice, donor.data, donor) :]


_Change = Callable[[random.Random, bytes, Source, Source], bytes]
_KINDS: dict[str, _Change] = {
    "flip": _flip,
    "number": _number,
    "truncate": _truncate,
    "cut out": _cut_out,
    "splice": _splice,
    "tail": _tail,
    "cross": _cross,
}
