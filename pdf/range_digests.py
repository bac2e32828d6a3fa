"""Several digests of one file in one pass.

The signatures of a document, and the time-stamp that is to come over it, all cover the file from
its first byte and leave out little. What they share is hashed once: the state of the hash is
copied where two of them part.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from pdf.signature_math import Digest

Ranges: TypeAlias = tuple[tuple[int, int], ...]

_BEYOND = 1 << 62


@dataclass(frozen=True)
class Wanted:
    """A digest by name over (offset, length) stretches in ascending order."""

    name: str
    ranges: Ranges

    def covers(self, position: int) -> bool:
        """Say whether the byte at this offset counts."""
        return any(start <= position < start + length for start, length in self.ranges)


class RangeDigests:
    """Takes a file's bytes in order, gives each wanted digest, and the running hash of it all."""

    def __init__(self, wanted: Iterable[Wanted], *, whole: str) -> None:
        """`whole` names the hash that `running` gives after the last byte."""
        self._whole = Wanted(whole, ((0, _BEYOND),))
        members = list(dict.fromkeys((self._whole, *wanted)))
        edges = {edge for each in members for a, n in each.ranges for edge in (a, a + n)}
        self._edges = sorted(edges, reverse=True)
        self._position = 0
        self._groups: list[tuple[Digest, list[Wanted]]] = []
        for name in dict.fromkeys(each.name for each in members):
            same = [each for each in members if each.name == name]
            self._groups.append((Digest(name), same))
        self._active: list[Digest] = []
        self._part()

    def update(self, data: memoryview) -> None:
        """Take the next bytes."""
        while data:
            edge = self._edges[-1] if self._edges else None
            count = len(data) if edge is None else min(len(data), edge - self._position)
            for engine in self._active:
                engine.update(data[:count])
            self._position += count
            data = data[count:]
            if self._position == edge:
                self._part()

    def _part(self) -> None:
        """Divide the groups at an edge into those that go on and those that pause."""
        while self._edges and self._edges[-1] <= self._position:
            self._edges.pop()
        groups: list[tuple[Digest, list[Wanted]]] = []
        self._active = []
        for engine, members in self._groups:
            inside = [each for each in members if each.covers(self._position)]
            outside = [each for each in members if not each.covers(self._position)]
            if inside and outside:
                groups.append((engine.copy(), outside))
            groups.append((engine, inside or outside))
            if inside:
                self._active.append(engine)
        self._groups = groups

    def running(self) -> Digest:
        """Give the hash of everything so far, to go on with."""
        return next(engine.copy() for engine, each in self._groups if self._whole in each)

    def finish(self) -> dict[Wanted, bytes]:
        """Give the digests."""
        return {each: engine.finish() for engine, members in self._groups for each in members}


@dataclass(frozen=True)
class Prefix:
    """The hash of a file's first `length` bytes, known to a caller that has just read them.

    `digests` are those of the file's signatures.
    """

    length: int
    name: str
    running: Digest
    digests: Mapping[Wanted, bytes]

    @property
    def own_digest(self) -> bytes:
        """The one digest, where there is one signature."""
        (digest,) = self.digests.values()
        return digest
