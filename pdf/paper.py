"""A small maker of A4 papers: headings, wrapped paragraphs and two-column rows, with page numbers.

Text is drawn with the bundled typeface and can be selected and searched; a letter the typeface
lacks is written by its code point, so that no name can stop a paper from being made.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from pdf.images import StampImage, stamp_image
from pdf.objects import Name, Ref, Stream, Value, number, serialise
from pdf.typeface import Style, embedded_font, typeface

WIDTH, HEIGHT = 595.28, 841.89
MARGIN = 56.0
LEADING = 1.3
MAX_PAGES = 400
"""A report on two hundred signatures has about as many pages."""
Colour = tuple[float, float, float]
BLACK: Colour = (0.1, 0.1, 0.1)
GREY: Colour = (0.35, 0.35, 0.35)
_FOOTER_SIZE = 9.0
_LABEL_SHARE = 0.32
"""So that a SHA-256 digest stands on one line beside its label."""
_GAP = 10.0


@dataclass(frozen=True)
class Face:
    """A cut, a size in points and a colour."""

    size: float = 11.0
    style: Style = Style.REGULAR
    colour: Colour = BLACK

    def lines(self, text: str, width: float) -> list[str]:
        """Break text into lines of at most that width; words that are too long are cut."""
        measured = typeface(self.style)
        lines, current = [], ""
        for word in writable(text, self.style).split(" "):
            longer = f"{current} {word}" if current else word
            if measured.width(longer, self.size) <= width:
                current = longer
                continue
            if current:
                lines.append(current)
            pieces = _cut(word, self, width)
            lines += pieces[:-1]
            current = pieces[-1]
        return [*lines, current]


def writable(text: str, style: Style) -> str:
    """Replace letters that the typeface does not have by their code points."""
    known = typeface(style).glyph_of
    return "".join(c if c in known else f"[U+{ord(c):04X}]" for c in text)


def _cut(word: str, face: Face, width: float) -> list[str]:
    measured = typeface(face.style)
    pieces, current = [], ""
    for letter in word:
        if current and measured.width(current + letter, face.size) > width:
            pieces.append(current)
            current = ""
        current += letter
    return [*pieces, current]


class Paper:
    """Pages being filled from top to bottom."""

    def __init__(self) -> None:
        self._pages: list[list[bytes]] = []
        self._letters: dict[Style, set[str]] = {}
        self._images: list[StampImage] = []
        self._y = 0.0
        self._turn_page()

    @property
    def full(self) -> bool:
        """Whether the paper has as many pages as it may have."""
        return len(self._pages) >= MAX_PAGES

    def space(self, points: float) -> None:
        """Leave room."""
        self._y -= points

    def keep(self, points: float) -> None:
        """Turn the page unless so much room is left, so that a heading stays with its text."""
        if self._y - points < MARGIN:
            self._turn_page()

    def paragraph(
        self, text: str, face: Face | None = None, *, centred: bool = False, aside: bool = False
    ) -> None:
        """Write wrapped text over the whole width, or `aside` over the right half."""
        face = face or Face()
        whole = WIDTH - 2 * MARGIN
        start, wide = (MARGIN + whole / 2, whole / 2) if aside else (MARGIN, whole)
        for line in face.lines(text, wide):
            self._next_line(face.size)
            left = start
            if centred:
                left += (wide - typeface(face.style).width(line, face.size)) / 2
            self._write(line, left, self._y, face)

    def row(self, label: str, texts: Sequence[str], *, label_face: Face, face: Face) -> None:
        """Write a label and, beside it, texts that each begin a line; a hairline below."""
        wide = WIDTH - 2 * MARGIN
        left_width = wide * _LABEL_SHARE - _GAP
        left = label_face.lines(label, left_width)
        right = [line for text in texts for line in face.lines(text, wide * (1 - _LABEL_SHARE))]
        count = max(len(left), len(right))
        high = count * face.size * LEADING
        if high < HEIGHT / 2:
            self.keep(high)
        for index in range(count):
            self._next_line(face.size)
            if index < len(left):
                self._write(left[index], MARGIN, self._y, label_face)
            if index < len(right):
                self._write(right[index], MARGIN + wide * _LABEL_SHARE, self._y, face)
        self.rule(colour=(0.82, 0.82, 0.82), thickness=0.4)

    def bar(
        self, label: str, shares: Sequence[tuple[float, Colour]], *, face: Face | None = None
    ) -> None:
        """Draw a bar of coloured parts beside its label; all shares 1 together fill the width."""
        face = face or Face()
        wide = WIDTH - 2 * MARGIN
        label_width = wide * _LABEL_SHARE
        lines = face.lines(label, label_width - _GAP)
        self.keep(len(lines) * face.size * LEADING + 4)
        for index, line in enumerate(lines):
            self._next_line(face.size)
            self._write(line, MARGIN, self._y, face)
            if index:
                continue
            left = MARGIN + label_width
            for share, colour in shares:
                across = share * (wide - label_width)
                self._pages[-1].append(
                    b"q %s rg %s %s %s %s re f Q"
                    % (
                        b" ".join(map(number, colour)),
                        *map(number, (left, self._y - 1, across, face.size * 0.9)),
                    )
                )
                left += across
        self.space(3.0)

    def picture(self, data: bytes, alternative: str) -> None:
        """Show a PNG over the whole width; `alternative` says in words what it shows.

        Raises StampUnreadable when it is none.
        """
        image = stamp_image(data)
        wide = WIDTH - 2 * MARGIN
        high = wide * image.height / image.width
        most = HEIGHT - 3 * MARGIN
        if high > most:
            wide, high = wide * most / high, most
        self.keep(high + 2 * _GAP)
        self._y -= high + _GAP / 2
        self._images.append(image)
        self._pages[-1].append(
            b"/Span %s BDC q %s 0 0 %s %s %s cm /I%s Do Q EMC"
            % (
                serialise({"Alt": alternative}),
                *map(number, (wide, high, MARGIN, self._y)),
                str(len(self._images)).encode(),
            )
        )

    def rule(self, *, colour: Colour, thickness: float) -> None:
        """Draw a line below what was written."""
        below = self._y - 3.5
        self._pages[-1].append(
            b"q %s RG %s w %s %s m %s %s l S Q"
            % (
                b" ".join(map(number, colour)),
                *map(number, (thickness, MARGIN, below, WIDTH - MARGIN, below)),
            )
        )
        self.space(3.0)

    def banner(self, text: str, face: Face) -> None:
        """Write a line of weight in a box of its own colour."""
        wide = WIDTH - 2 * MARGIN
        lines = face.lines(text, wide - 2 * _GAP)
        high = len(lines) * face.size * LEADING + 1.2 * _GAP
        self.keep(high + _GAP)
        top = self._y
        self._pages[-1].append(
            b"q %s RG 1.2 w %s %s %s %s re S Q"
            % (
                b" ".join(map(number, face.colour)),
                *map(number, (MARGIN, top - high, wide, high)),
            )
        )
        self._y = top - 0.35 * _GAP
        for line in lines:
            self._next_line(face.size)
            self._write(line, MARGIN + _GAP, self._y, face)
        self._y = top - high - _GAP

    def finish(self, *, title: str, language: str, footer: str, made_at: datetime) -> bytes:
        """Write the PDF; `footer` stands before the page number of every page."""
        total = len(self._pages)
        for index, content in enumerate(self._pages, start=1):
            face = Face(_FOOTER_SIZE, colour=GREY)
            text = writable(f"{footer} {index}/{total}", face.style)
            left = WIDTH - MARGIN - typeface(face.style).width(text, face.size)
            self._write(text, left, MARGIN / 2, face, content)
        return self._assembled(title, language, made_at)

    def _assembled(self, title: str, language: str, made_at: datetime) -> bytes:
        file = _File()
        fonts: dict[str, Value] = {
            style.value: embedded_font("".join(sorted(letters)), style).add_to(file)
            for style, letters in self._letters.items()
        }
        drawn: dict[str, Value] = {
            f"I{index}": image.add_to(file) for index, image in enumerate(self._images, start=1)
        }
        resources = file.add({"Font": fonts, **({"XObject": drawn} if drawn else {})})
        tree = file.reserve()
        pages = []
        for content in self._pages:
            stream = file.add(Stream({}, b"\n".join(content)))
            page: dict[str, Value] = {
                "Type": Name("Page"),
                "Parent": tree,
                "MediaBox": [0, 0, WIDTH, HEIGHT],
                "Resources": resources,
                "Contents": stream,
            }
            pages.append(file.add(page))
        file.put(tree, {"Type": Name("Pages"), "Kids": pages, "Count": len(pages)})
        stamp = made_at.strftime("D:%Y%m%d%H%M%SZ")
        info = file.add({"Title": title, "Producer": "An Tin", "CreationDate": stamp})
        catalog = file.add(
            {
                "Type": Name("Catalog"),
                "Pages": tree,
                "Lang": language,
                "ViewerPreferences": {"DisplayDocTitle": True},
            }
        )
        return file.finished(root=catalog, info=info)

    def _turn_page(self) -> None:
        self._pages.append([])
        self._y = HEIGHT - MARGIN

    def _next_line(self, size: float) -> None:
        if self._y - size * LEADING < MARGIN:
            self._turn_page()
        self._y -= size * LEADING

    def _write(
        self, line: str, left: float, base: float, face: Face, page: list[bytes] | None = None
    ) -> None:
        self._letters.setdefault(face.style, set()).update(line)
        codes = "".join(f"{glyph:04X}" for glyph in typeface(face.style).glyphs(line)).encode()
        target = self._pages[-1] if page is None else page
        target.append(
            b"BT %s rg /%s %s Tf 1 0 0 1 %s %s Tm <%s> Tj ET"
            % (
                b" ".join(map(number, face.colour)),
                face.style.value.encode(),
                *map(number, (face.size, left, base)),
                codes,
            )
        )


class _File:
    """Objects of a new file, written one after the other (ISO 32000-2 clause 7.5)."""

    def __init__(self) -> None:
        self._objects: dict[int, bytes] = {}
        self._last = 0

    def reserve(self) -> Ref:
        self._last += 1
        return Ref(self._last)

    def put(self, reference: Ref, value: Value) -> None:
        self._objects[reference.number] = serialise(value)

    def add(self, value: Value) -> Ref:
        reference = self.reserve()
        self.put(reference, value)
        return reference

    def finished(self, *, root: Ref, info: Ref) -> bytes:
        out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
        offsets = []
        for index in range(1, self._last + 1):
            offsets.append(len(out))
            out += b"%d 0 obj\n%s\nendobj\n" % (index, self._objects[index])
        start = len(out)
        out += b"xref\n0 %d\n0000000000 65535 f \n" % (self._last + 1)
        out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
        trailer = serialise({"Size": self._last + 1, "Root": root, "Info": info})
        return bytes(out + b"trailer\n%s\nstartxref\n%d\n%%%%EOF\n" % (trailer, start))
