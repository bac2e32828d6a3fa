"""The bundled typeface: measuring text, and finished font streams for a document.

Tinos has the widths of Times New Roman and every Vietnamese letter. The original files stay as
they are; when a process first draws text, the Latin, Vietnamese, Greek and Cyrillic part is cut
out once, without hints, and each distinct set of letters then becomes a small embedded font by
emptying the outlines that are not used. Widths are given to PDF in thousandths of an em, whatever
the font's own units (ISO 32000-2 section 9.2.4): that is what keeps letters in their places.
"""

import io
import struct
import unicodedata
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files

from pdf.errors import GlyphMissing
from pdf.objects import Name, ObjectSink, Raw, Ref, Stream, Value

# What is cut out of the original: letters, marks, punctuation, currency, letter-like, arrows.
_COVERAGE = (
    (0x20, 0x24F),
    (0x300, 0x36F),
    (0x370, 0x52F),
    (0x1E00, 0x1EFF),
    (0x2000, 0x206F),
    (0x20A0, 0x20CF),
    (0x2100, 0x214F),
    (0x2190, 0x2193),
    (0x2200, 0x22FF),
)
_TABLES = ("head", "hhea", "maxp", "hmtx", "loca", "glyf")
# Letters of dates and labels, in every embedded font so that one font serves a signer all day.
_ALWAYS = frozenset("0123456789/:.+- ")
_LONG_OFFSETS = 1
_MORE_COMPONENTS = 0x20
_HAVE_SCALE = ((0x08, 2), (0x40, 4), (0x80, 8))
_WORD_ARGUMENTS = 0x01


class Style(StrEnum):
    """The cuts of the typeface that are bundled."""

    REGULAR = "Regular"
    BOLD = "Bold"
    ITALIC = "Italic"


@dataclass(frozen=True)
class Typeface:
    """One cut of the typeface, reduced to what stamps are written with."""

    style: Style
    glyph_of: dict[str, int]
    widths: tuple[int, ...]
    units_per_em: int
    metrics: dict[str, int]
    tables: dict[str, bytes]

    def width(self, text: str, size: float) -> float:
        """Measure a line in points; raises GlyphMissing."""
        return sum(self.widths[glyph] for glyph in self.glyphs(text)) * size / self.units_per_em

    def glyphs(self, text: str) -> list[int]:
        """Translate a line; raises GlyphMissing naming every letter that is not there."""
        try:
            return [self.glyph_of[character] for character in text]
        except KeyError:
            absent = dict.fromkeys(c for c in text if c not in self.glyph_of)
            raise GlyphMissing("".join(absent)) from None

    def thousandths(self, glyph: int) -> int:
        """Give a glyph's width in thousandths of an em."""
        return round(self.widths[glyph] * 1000 / self.units_per_em)

    def outlines_kept(self, letters: frozenset[str]) -> tuple[bytes, bytes]:
        """Give (glyf, loca) where only these letters, and what they are composed of, remain."""
        loca, glyf = self.tables["loca"], self.tables["glyf"]
        offsets = struct.unpack(f">{len(loca) // 4}I", loca)
        wanted = {0}
        pending = [self.glyph_of[letter] for letter in letters]
        while pending:
            glyph = pending.pop()
            if glyph not in wanted:
                wanted.add(glyph)
                pending.extend(_components(glyf[offsets[glyph] : offsets[glyph + 1]]))
        kept = bytearray()
        positions = [0]
        for glyph in range(len(offsets) - 1):
            if glyph in wanted:
                kept += glyf[offsets[glyph] : offsets[glyph + 1]]
            positions.append(len(kept))
        return bytes(kept), struct.pack(f">{len(positions)}I", *positions)


def _components(outline: bytes) -> Iterator[int]:
    """Yield the glyphs that a composite glyph is made of (OpenType, table glyf)."""
    if not outline or struct.unpack_from(">h", outline)[0] >= 0:
        return
    position = 10
    flags = _MORE_COMPONENTS
    while flags & _MORE_COMPONENTS:
        flags, glyph = struct.unpack_from(">HH", outline, position)
        yield glyph
        position += 8 if flags & _WORD_ARGUMENTS else 6
        position += sum(size for flag, size in _HAVE_SCALE if flags & flag)


@lru_cache(maxsize=len(Style))
def typeface(style: Style) -> Typeface:
    """Read a bundled cut, once per process (a tenth of a second)."""
    from fontTools import subset  # noqa: PLC0415 -- a process that draws no text has no use for it
    from fontTools.ttLib import TTFont  # noqa: PLC0415 -- the same

    original = files("pdf").joinpath("fonts", f"Tinos-{style}.ttf").read_bytes()
    options = subset.Options(
        hinting=False,
        layout_features=[],
        notdef_outline=True,
        glyph_names=False,
        name_IDs=[],
        drop_tables=["GSUB", "GPOS", "GDEF", "DSIG", "gasp", "fpgm", "prep", "cvt "],
    )
    with TTFont(io.BytesIO(original), lazy=True, recalcTimestamp=False) as font:
        cutter = subset.Subsetter(options)
        cutter.populate(unicodes=[c for low, high in _COVERAGE for c in range(low, high + 1)])
        cutter.subset(font)
        reduced = io.BytesIO()
        font.save(reduced)
    return _measured(style, reduced)


def _measured(style: Style, reduced: io.BytesIO) -> Typeface:
    from fontTools.ttLib import TTFont  # noqa: PLC0415 -- as above

    with TTFont(reduced, lazy=False) as font:
        order = font.getGlyphOrder()
        number = {name: index for index, name in enumerate(order)}
        tables = {tag: bytes(font.getTableData(tag)) for tag in _TABLES}
        head, hhea, os2 = font["head"], font["hhea"], font["OS/2"]
        if head.indexToLocFormat != _LONG_OFFSETS:
            short = struct.unpack(f">{len(tables['loca']) // 2}H", tables["loca"])
            tables["loca"] = struct.pack(f">{len(short)}I", *(2 * offset for offset in short))
            tables["head"] = tables["head"][:50] + struct.pack(">h", _LONG_OFFSETS) + bytes(2)
        scale = 1000 / head.unitsPerEm
        raw = {
            "Ascent": hhea.ascent,
            "Descent": hhea.descent,
            "CapHeight": os2.sCapHeight,
            "left": head.xMin,
            "bottom": head.yMin,
            "right": head.xMax,
            "top": head.yMax,
        }
        return Typeface(
            style=style,
            glyph_of={chr(code): number[name] for code, name in font.getBestCmap().items()},
            widths=tuple(font["hmtx"][name][0] for name in order),
            units_per_em=head.unitsPerEm,
            metrics={key: round(value * scale) for key, value in raw.items()}
            | {"ItalicAngle": round(font["post"].italicAngle)},
            tables=tables,
        )


@dataclass(frozen=True)
class EmbeddedFont:
    """A font program for one set of letters, finished for any number of documents."""

    name: str
    style: Style
    program: bytes
    program_size: int
    to_unicode: bytes
    widths: bytes

    def add_to(self, sink: ObjectSink, *, cid_set: bool = False) -> Ref:
        """Write the font's objects; give the reference that resources name.

        `cid_set` lists the glyphs of the program, all of them: emptied ones are still there
        (ISO 19005-1 section 6.3.5, ISO 19005-2 section 6.2.11.4.2).
        """
        face = typeface(self.style)
        metrics = face.metrics
        program = sink.add(
            Stream(
                {"Filter": Name("FlateDecode"), "Length1": self.program_size},
                self.program,
            )
        )
        listed: dict[str, Value] = {"CIDSet": sink.add(_all_of(face))} if cid_set else {}
        descriptor = sink.add(
            {
                "Type": Name("FontDescriptor"),
                "FontName": Name(self.name),
                "Flags": 4 | (64 if self.style is Style.ITALIC else 0),
                "FontBBox": [metrics[key] for key in ("left", "bottom", "right", "top")],
                "ItalicAngle": metrics["ItalicAngle"],
                "Ascent": metrics["Ascent"],
                "Descent": metrics["Descent"],
                "CapHeight": metrics["CapHeight"],
                "StemV": 140 if self.style is Style.BOLD else 80,
                "FontFile2": program,
                **listed,
            }
        )
        descendant = sink.add(
            {
                "Type": Name("Font"),
                "Subtype": Name("CIDFontType2"),
                "BaseFont": Name(self.name),
                "CIDSystemInfo": {"Registry": "Adobe", "Ordering": "Identity", "Supplement": 0},
                "FontDescriptor": descriptor,
                "CIDToGIDMap": Name("Identity"),
                "DW": 1000,
                "W": Raw(self.widths),
            }
        )
        to_unicode = sink.add(Stream({"Filter": Name("FlateDecode")}, self.to_unicode))
        return sink.add(
            {
                "Type": Name("Font"),
                "Subtype": Name("Type0"),
                "BaseFont": Name(self.name),
                "Encoding": Name("Identity-H"),
                "DescendantFonts": [descendant],
                "ToUnicode": to_unicode,
            }
        )


def _all_of(face: Typeface) -> Stream:
    """Set a bit for every glyph, highest bit first."""
    whole, rest = divmod(len(face.widths), 8)
    bits = b"\xff" * whole + (bytes(((0xFF00 >> rest) & 0xFF,)) if rest else b"")
    return Stream({"Filter": Name("FlateDecode")}, zlib.compress(bits, 9))


def embedded_font(text: str, style: Style = Style.REGULAR) -> EmbeddedFont:
    """Give a font that holds at least the letters of `text`."""
    return _embedded(frozenset(text) | _ALWAYS, style)


@lru_cache(maxsize=256)
def _embedded(letters: frozenset[str], style: Style) -> EmbeddedFont:
    face = typeface(style)
    ordered = sorted(letters)
    glyphs = face.glyphs("".join(ordered))
    glyf, loca = face.outlines_kept(letters)
    program = _sfnt({**face.tables, "glyf": glyf, "loca": loca})
    tag = zlib.crc32("".join(ordered).encode())
    prefix = "".join(chr(65 + (tag // 26**place) % 26) for place in range(6))
    pairs = sorted(zip(glyphs, ordered, strict=True))
    widths = b"[%s]" % b" ".join(b"%d [%d]" % (g, face.thousandths(g)) for g, _ in pairs)
    cut = "" if style is Style.REGULAR else f"-{style}"
    return EmbeddedFont(
        name=f"{prefix}+Tinos{cut}",
        style=style,
        program=zlib.compress(program, 9),
        program_size=len(program),
        to_unicode=zlib.compress(_to_unicode(pairs), 9),
        widths=widths,
    )


def _sfnt(tables: dict[str, bytes]) -> bytes:
    """Join the tables into a font file (OpenType, table directory)."""
    count = len(tables)
    power = 1 << (count.bit_length() - 1)
    header = struct.pack(
        ">IHHHH", 0x00010000, count, power * 16, power.bit_length() - 1, (count - power) * 16
    )
    position = len(header) + 16 * count
    directory, body = bytearray(), bytearray()
    for tag in sorted(tables):
        data = tables[tag]
        padded = data + bytes(-len(data) % 4)
        checksum = sum(struct.unpack(f">{len(padded) // 4}I", padded)) & 0xFFFFFFFF
        directory += struct.pack(">4sIII", tag.encode(), checksum, position, len(data))
        body += padded
        position += len(padded)
    return header + bytes(directory) + bytes(body)


_CMAP_HEAD = """/CIDInit /ProcSet findresource begin
12 dict begin
begincmap
/CIDSystemInfo << /Registry (Adobe) /Ordering (UCS) /Supplement 0 >> def
/CMapName /Adobe-Identity-UCS def
/CMapType 2 def
1 begincodespacerange
<0000> <FFFF>
endcodespacerange
"""
_CMAP_FOOT = """endcmap
CMapName currentdict /CMap defineresource pop
end
end
"""
# CMap operators take at most this many entries (Adobe Technical Note 5014).
_CMAP_BLOCK = 100


def _to_unicode(pairs: list[tuple[int, str]]) -> bytes:
    """Write the CMap that gives the letters back to those who copy, search or read aloud."""
    lines = [
        f"<{glyph:04X}> <{letter.encode('utf-16-be').hex().upper()}>" for glyph, letter in pairs
    ]
    blocks = [lines[at : at + _CMAP_BLOCK] for at in range(0, len(lines), _CMAP_BLOCK)]
    body = "".join(
        f"{len(block)} beginbfchar\n" + "\n".join(block) + "\nendbfchar\n" for block in blocks
    )
    return (_CMAP_HEAD + body + _CMAP_FOOT).encode()


def normalised(line: str) -> str:
    """Give a line of text as it is drawn: composed letters (NFC), plain spaces."""
    return " ".join(unicodedata.normalize("NFC", line).split())
