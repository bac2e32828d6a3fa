"""CSV as offices write it: with or without a mark at its beginning, with any of four separators."""

import csv
import io
from collections.abc import Iterator
from typing import Final

from ca.errors_registry import ImportUnreadable

MAX_ROWS: Final = 100_000
"""Of one file; a country's largest province has a tenth."""
MAX_COLUMNS: Final = 100
MAX_CELL: Final = 20_000
"""Characters; a certificate as PEM has some 3,000."""

_SEPARATORS: Final = (",", ";", "\t", "|")
_LOOKED_AT: Final = 20
"""Lines at the beginning that tell which separator the file uses."""


def rows(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """Give (row number, cells) of each row that is not empty; the first row of a file is 1.

    UTF-8 and UTF-16 are read, with a byte order mark or (UTF-8) without. Raises ImportUnreadable.
    """
    text = _decoded(data)
    separator, text = _separator(text)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    number = 0
    try:
        for cells in reader:
            number += 1
            check_size(number, cells)
            if any(cell.strip() for cell in cells):
                yield number, [cell.strip() for cell in cells]
    except csv.Error as e:
        raise ImportUnreadable("damaged", f"row {number + 1}: {e}") from e


def check_size(number: int, cells: list[str]) -> None:
    """Raise ImportUnreadable where a table is larger than any honest one."""
    if number > MAX_ROWS:
        raise ImportUnreadable("too_many_rows", f"more than {MAX_ROWS}")
    if len(cells) > MAX_COLUMNS:
        raise ImportUnreadable("too_many_columns", f"row {number} has {len(cells)} cells")
    if any(len(cell) > MAX_CELL for cell in cells):
        raise ImportUnreadable("damaged", f"a cell of row {number} has over {MAX_CELL} characters")


def _decoded(data: bytes) -> str:
    encoding = "utf-16" if data[:2] in {b"\xff\xfe", b"\xfe\xff"} else "utf-8-sig"
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as e:
        raise ImportUnreadable("encoding", "save the table as CSV in UTF-8") from e


def _separator(text: str) -> tuple[str, str]:
    """Find the separator, and take away the line by which a spreadsheet may name it."""
    first, _, rest = text.partition("\n")
    named = first.strip().strip('"')
    if named.lower().startswith("sep=") and named[4:5] in {*_SEPARATORS}:
        return named[4:5], rest
    lines = text[: MAX_CELL * _LOOKED_AT].splitlines()[:_LOOKED_AT]
    # The line with the names of the columns is the one that a separator divides most often.
    return max(_SEPARATORS, key=lambda s: max((line.count(s) for line in lines), default=0)), text
