"""The objects of one object stream, each read only when it is asked for.

ISO 32000-2 section 7.5.7, strictly: an index that promises more or less than is there, repeats a
number, does not go upwards, or leaves anything between its objects raises NotPlain. What is read
this way is written again into new revisions, so no two readers may see different things in it.
"""

from collections.abc import Iterator, Sequence
from typing import Final, overload

from pdf.errors import PdfError
from pdf.syntax import PdfDict, PdfObject, Ref, read_object

_DIGITS_AND_BLANKS: Final = b"0123456789\t\n\x0c\r "
_BLANKS: Final = b"\x00\t\n\x0c\r "
_LONGEST_NUMBER: Final = 10


class NotPlain(Exception):
    """The document has to be read by the object layer. Not an error of the file."""


class PackedObjects(Sequence[tuple[int, PdfObject]]):
    """(number, object) in the order of the stream's index."""

    def __init__(self, data: bytes, entries: PdfDict) -> None:
        """Read the index of decoded `data`; `entries` is the stream's dictionary."""
        count, first = entries.get("N"), entries.get("First")
        if type(count) is not int or type(first) is not int or entries.get("Type") != "ObjStm":
            raise NotPlain("an object stream has no usable index")
        head = data[: max(0, first)]
        words = head.split()
        if first > len(data) or len(words) != 2 * count or head.translate(None, _DIGITS_AND_BLANKS):
            raise NotPlain("the index of an object stream is not what it promises")
        if max(map(len, words), default=0) > _LONGEST_NUMBER:
            raise NotPlain("the index of an object stream has numbers of no use")
        self._data = data
        self._numbers = list(map(int, words[::2]))
        self._starts = [first + int(word) for word in words[1::2]]
        self._ends = [*self._starts[1:], len(data)]
        if len(set(self._numbers)) != count or any(
            start >= end for start, end in zip(self._starts, self._ends, strict=True)
        ):
            raise NotPlain("the index of an object stream is out of order")
        self._read: dict[int, tuple[PdfObject, int]] = {}

    def __len__(self) -> int:
        """Say how many objects there are."""
        return len(self._numbers)

    @overload
    def __getitem__(self, index: int) -> tuple[int, PdfObject]: ...
    @overload
    def __getitem__(self, index: slice) -> list[tuple[int, PdfObject]]: ...
    def __getitem__(
        self, index: int | slice
    ) -> tuple[int, PdfObject] | list[tuple[int, PdfObject]]:
        """Read the object with this index."""
        if isinstance(index, slice):
            return [self[each] for each in range(len(self))[index]]
        return self._numbers[index], self._at(index)[0]

    def __iter__(self) -> Iterator[tuple[int, PdfObject]]:
        """Refuse: whoever looks through all has not found the object where it is said to be."""
        raise NotPlain("an object is not where the cross-references say")

    def body(self, index: int) -> bytes:
        """Give the bytes of the object with this index."""
        return self._data[self._starts[index] : self._at(index)[1]].lstrip(_BLANKS)

    def _at(self, index: int) -> tuple[PdfObject, int]:
        if index not in self._read:
            try:
                value, end = read_object(self._data, self._starts[index], self._ends[index])
            except PdfError as error:
                raise NotPlain("a packed object cannot be read") from error
            if self._data[end : self._ends[index]].strip(_BLANKS) or isinstance(value, Ref):
                raise NotPlain("an object stream holds more than its objects")
            self._read[index] = value, end
        return self._read[index]
