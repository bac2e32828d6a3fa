"""The first sheet of an XLSX workbook (ECMA-376), read by a stream parser under limits.

A workbook comes from anybody: its parts are unpacked no further than the limit, document types -
and with them entities - are refused, and formulas are not looked at, only the values beside them.
"""

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from typing import Final
from xml.parsers import expat

from ca.csv_table import MAX_COLUMNS, check_size
from ca.errors_registry import ImportUnreadable

MAX_PART_BYTES: Final = 64 * 1024 * 1024
"""One part unpacked: 100,000 rows of twenty cells have some 40 MB."""
MAX_PARTS: Final = 2_000
MAX_STRINGS: Final = 2_000_000

_BUILT_IN_DATES: Final = frozenset({*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)})
_DATE_LETTERS: Final = re.compile(r"[dmyhs]", re.IGNORECASE)
_QUOTED: Final = re.compile(r'"[^"]*"|\[[^\]]*\]|\\.')
_CELL: Final = re.compile(r"([A-Z]{1,3})[0-9]+")
_EPOCH: Final = datetime(1899, 12, 30)  # noqa: DTZ001 -- spreadsheet dates have no zone
_EPOCH_1904: Final = datetime(1904, 1, 1)  # noqa: DTZ001 -- spreadsheet dates have no zone
_MAX_DAY: Final = 2_958_465
"""31 December 9999, the last date of a spreadsheet."""

Attributes = dict[str, str]


def rows(data: bytes) -> Iterator[tuple[int, list[str]]]:
    """Give (row number, cells) of each row of the first sheet that is not empty.

    Dates are given as `YYYY-MM-DD` or `YYYY-MM-DD HH:MM:SS`. Raises ImportUnreadable.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if len(archive.infolist()) > MAX_PARTS:
                raise ImportUnreadable("damaged", "the workbook has too many parts")
            book = _Workbook(archive)
            yield from book.rows()
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, NotImplementedError) as e:
        raise ImportUnreadable("damaged", "the workbook is incomplete") from e
    except RuntimeError as e:  # what zipfile raises for an encrypted part
        raise ImportUnreadable("damaged", "the workbook is encrypted") from e
    except expat.ExpatError as e:
        raise ImportUnreadable("damaged", "a part of the workbook is not XML") from e


class _Workbook:
    """The parts of a workbook that give a cell its meaning."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._names = set(archive.namelist())
        self._sheet, self._epoch = self._first_sheet()
        self._strings = self._shared_strings()
        self._date_styles = self._styles()

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        sheet = _Sheet(self._value)
        self._parse(self._sheet, sheet.begin, sheet.end, sheet.text)
        for number, cells in sheet.rows:
            if any(cells):
                yield number, cells

    def _value(self, kind: str, style: int, text: str) -> str:
        if kind == "s":
            try:
                return self._strings[int(text)].strip()
            except (ValueError, IndexError) as e:
                raise ImportUnreadable("damaged", "a cell names a text that is not there") from e
        if kind in {"str", "inlineStr", "e", "b", "d"}:
            return text.strip()
        if style in self._date_styles:
            return self._date(text)
        return text.removesuffix(".0").strip()

    def _date(self, text: str) -> str:
        try:
            days = float(text)
        except ValueError:
            return text.strip()
        if not 0 <= days <= _MAX_DAY:
            return text.strip()
        moment = self._epoch + timedelta(seconds=round(days * 86_400))
        if moment.time() == moment.min.time():
            return moment.date().isoformat()
        return moment.isoformat(sep=" ")

    def _first_sheet(self) -> tuple[str, datetime]:
        relations: dict[str, str] = {}
        found: list[str] = []
        epochs = [_EPOCH]

        def relation(name: str, attributes: Attributes) -> None:
            if name == "Relationship":
                relations[attributes.get("Id", "")] = attributes.get("Target", "")

        def sheet(name: str, attributes: Attributes) -> None:
            if name == "sheet":
                found.extend(v for k, v in attributes.items() if k.rpartition(":")[2] == "id")
            if name == "workbookPr" and attributes.get("date1904") in {"1", "true"}:
                epochs.append(_EPOCH_1904)

        self._parse("xl/_rels/workbook.xml.rels", relation)
        self._parse("xl/workbook.xml", sheet)
        target = relations.get(found[0], "") if found else ""
        path = target.removeprefix("/") if target.startswith("/") else f"xl/{target}"
        if path not in self._names:
            raise ImportUnreadable("damaged", "the workbook has no sheet")
        return path, epochs[-1]

    def _shared_strings(self) -> list[str]:
        strings = _Strings()
        if "xl/sharedStrings.xml" in self._names:
            self._parse("xl/sharedStrings.xml", strings.begin, strings.end, strings.text)
        return strings.found

    def _styles(self) -> frozenset[int]:
        """Return the numbers of the cell formats that show a number as a date."""
        own: dict[int, str] = {}
        formats: list[int] = []
        inside = {"cellXfs": False}

        def begin(name: str, attributes: Attributes) -> None:
            if name == "numFmt":
                own[_number(attributes.get("numFmtId"))] = attributes.get("formatCode", "")
            elif name == "cellXfs":
                inside[name] = True
            elif name == "xf" and inside["cellXfs"]:
                formats.append(_number(attributes.get("numFmtId")))

        def end(name: str) -> None:
            if name == "cellXfs":
                inside[name] = False

        if "xl/styles.xml" in self._names:
            self._parse("xl/styles.xml", begin, end)
        return frozenset(
            position
            for position, code in enumerate(formats)
            if code in _BUILT_IN_DATES or _DATE_LETTERS.search(_QUOTED.sub("", own.get(code, "")))
        )

    def _parse(
        self,
        path: str,
        begin: Callable[[str, Attributes], None],
        end: Callable[[str], None] | None = None,
        text: Callable[[str], None] | None = None,
    ) -> None:
        parser = expat.ParserCreate()
        parser.StartElementHandler = lambda name, attrs: begin(name.rpartition(":")[2], attrs)
        if end is not None:
            parser.EndElementHandler = lambda name: end(name.rpartition(":")[2])
        if text is not None:
            parser.CharacterDataHandler = text
        parser.StartDoctypeDeclHandler = _refuse_document_type
        size = 0
        with self._archive.open(path) as part:
            while chunk := part.read(256 * 1024):
                size += len(chunk)
                if size > MAX_PART_BYTES:
                    raise ImportUnreadable("too_large", f"{path} is over {MAX_PART_BYTES} octets")
                parser.Parse(chunk, False)
        parser.Parse(b"", True)


class _Strings:
    """Collects the shared texts; phonetic hints beside them are left out."""

    def __init__(self) -> None:
        self.found: list[str] = []
        self._phonetic = False
        self._reading = False

    def begin(self, name: str, _: Attributes) -> None:
        if name == "si":
            if len(self.found) >= MAX_STRINGS:
                raise ImportUnreadable("damaged", "the workbook has too many texts")
            self.found.append("")
        elif name == "rPh":
            self._phonetic = True
        elif name == "t":
            self._reading = bool(self.found) and not self._phonetic

    def end(self, name: str) -> None:
        if name == "rPh":
            self._phonetic = False
        elif name == "t":
            self._reading = False

    def text(self, data: str) -> None:
        if self._reading:
            self.found[-1] += data


class _Sheet:
    """Collects the rows of a sheet while it is parsed."""

    def __init__(self, value: Callable[[str, int, str], str]) -> None:
        self.rows: list[tuple[int, list[str]]] = []
        self._value = value
        self._cells: list[str] = []
        self._kind, self._style, self._column = "n", 0, 0
        self._text: list[str] = []
        self._reading = False

    def begin(self, name: str, attributes: Attributes) -> None:
        if name == "row":
            last = self.rows[-1][0] if self.rows else 0
            number = _number(attributes.get("r")) or last + 1
            if number <= last:
                raise ImportUnreadable("damaged", f"row {number} stands after row {last}")
            self._cells = []
            check_size(number, self._cells)
            self.rows.append((number, self._cells))
        elif name == "c":
            self._kind = attributes.get("t", "n")
            self._style = _number(attributes.get("s"))
            self._column = _column(attributes.get("r"), len(self._cells))
            self._text = []
        elif name in {"v", "t"}:
            self._reading = True

    def end(self, name: str) -> None:
        if name in {"v", "t"}:
            self._reading = False
        elif name == "c" and self._text:
            self._cells.extend([""] * (self._column + 1 - len(self._cells)))
            self._cells[self._column] = self._value(self._kind, self._style, "".join(self._text))
            check_size(self.rows[-1][0] if self.rows else 1, self._cells[self._column :][:1])

    def text(self, data: str) -> None:
        if self._reading:
            self._text.append(data)


def _refuse_document_type(*_: object) -> None:
    raise ImportUnreadable("damaged", "a part of the workbook declares a document type")


def _column(reference: str | None, following: int) -> int:
    """Return the place of a cell in its row, from 0."""
    found = _CELL.fullmatch(reference or "")
    place = following
    if found:
        place = 0
        for letter in found.group(1):
            place = place * 26 + ord(letter) - ord("A") + 1
        place -= 1
    if place >= MAX_COLUMNS:
        raise ImportUnreadable("too_many_columns", f"a cell stands in column {place + 1}")
    return place


def _number(text: str | None) -> int:
    return int(text) if text and text.isascii() and text.isdigit() and len(text) < 10 else 0  # noqa: PLR2004 -- fits an int32
