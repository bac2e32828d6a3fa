# noqa: INP001 - a script beside the file it writes, not a package
"""Writes quyet-dinh.pdf, a Vietnamese administrative decision with room for its signatures.

Run from the top of the tree: `python docs/samples/make_sample.py [FILE]`. The layout follows the
habits of Decree 30/2020 (A4, Times 13-14, name of the state, number, abstract, articles, places
received, signer's post and name); people, number and content are invented. Every run writes the
same bytes, so the file in the tree can be compared with what the script gives.
"""

import sys
import zlib
from collections.abc import Iterator
from pathlib import Path

from pdf.objects import Name, Ref, Stream, Value, number, serialise
from pdf.typeface import Style, embedded_font, typeface

WIDTH, HEIGHT = 595.28, 841.89
LEFT, RIGHT, TOP = 85.0, 595.28 - 51.0, 841.89 - 56.7
LINE = 17.2

PREAMBLE = (
    "Căn cứ Luật Tổ chức chính quyền địa phương;",
    "Căn cứ Luật Giao dịch điện tử;",
    "Căn cứ Nghị định số 30/2020/NĐ-CP của Chính phủ về công tác văn thư;",
    "Theo đề nghị của Giám đốc Sở Nội vụ.",
)
ARTICLES = (
    (
        "Điều 1.",
        (
            "Ban hành kèm theo Quyết định này Quy chế quản lý, sử dụng chứng thư chữ ký số"
            " chuyên dùng công vụ trong các cơ quan, đơn vị trên địa bàn tỉnh; mỗi chứng thư gắn"
            " với một người hoặc một cơ quan chịu trách nhiệm giữ thiết bị lưu khóa bí mật."
        ),
    ),
    (
        "Điều 2.",
        (
            "Sở Nội vụ tổng hợp đề nghị cấp, gia hạn, thu hồi chứng thư chữ ký số; lập sổ giao nhận"
            " thiết bị và báo cáo Ủy ban nhân dân tỉnh trước ngày 15 tháng 12 hằng năm."
        ),
    ),
    (
        "Điều 3.",
        (
            "Quyết định này có hiệu lực kể từ ngày ký. Chánh Văn phòng Ủy ban nhân dân tỉnh,"
            " Giám đốc các sở, ban, ngành, Chủ tịch Ủy ban nhân dân các xã, phường và các cơ quan,"
            " đơn vị liên quan chịu trách nhiệm thi hành Quyết định này./."
        ),
    ),
)
RECEIVERS = (
    "- Như Điều 3;",
    "- Thường trực Tỉnh ủy (để báo cáo);",
    "- Chủ tịch, các Phó Chủ tịch;",
    "- Cổng thông tin điện tử tỉnh;",
    "- Lưu: VT, NC.",
)
SPECIMEN = "Văn bản mẫu để thử phần mềm ký số; không có giá trị pháp lý."


class File:
    """A new PDF file with a cross-reference table, its objects numbered as they come."""

    def __init__(self) -> None:
        self.objects: list[bytes | None] = []

    def reserve(self) -> Ref:
        """Give a number to an object that comes later."""
        self.objects.append(None)
        return Ref(len(self.objects))

    def put(self, reference: Ref, value: Value) -> None:
        """Write a reserved object."""
        self.objects[reference.number - 1] = serialise(value)

    def add(self, value: Value) -> Ref:
        """Write an object under the next number."""
        reference = self.reserve()
        self.put(reference, value)
        return reference

    def finish(self, root: Ref, info: Ref) -> bytes:
        """Join everything."""
        out = bytearray(b"%PDF-1.7\n%\xc3\xa2\xc3\xa3\n")
        entries = [b"0000000000 65535 f \n"]
        for index, body in enumerate(self.objects, start=1):
            entries.append(b"%010d 00000 n \n" % len(out))
            out += b"%d 0 obj\n%s\nendobj\n" % (index, body or b"null")
        start = len(out)
        identifier = zlib.crc32(bytes(out)).to_bytes(4, "big") * 4
        trailer = serialise(
            {"Size": len(entries), "Root": root, "Info": info, "ID": [identifier, identifier]}
        )
        out += b"xref\n0 %d\n%s" % (len(entries), b"".join(entries))
        out += b"trailer\n%s\nstartxref\n%d\n%%%%EOF\n" % (trailer, start)
        return bytes(out)


class Sheet:
    """One page being written: text lines, justified paragraphs and rules."""

    def __init__(self) -> None:
        self.content: list[bytes] = []
        self.used: dict[Style, set[str]] = {style: set() for style in Style}

    def text(self, x: float, y: float, line: str, size: float, style: Style) -> None:
        """Set one line with its left end at x."""
        self.used[style] |= set(line)
        codes = "".join(f"{glyph:04X}" for glyph in typeface(style).glyphs(line)).encode()
        self.content.append(
            b"BT /%s %s Tf %s %s Td <%s> Tj ET"
            % (style.encode(), number(size), number(x), number(y), codes)
        )

    def centred(self, middle: float, y: float, line: str, size: float, style: Style) -> None:
        """Set one line around a middle."""
        self.text(middle - typeface(style).width(line, size) / 2, y, line, size, style)

    def rule(self, middle: float, y: float, width: float) -> None:
        """Draw a short line around a middle."""
        ends = (number(middle - width / 2), number(y), number(middle + width / 2), number(y))
        self.content.append(b"0.7 w %s %s m %s %s l S" % ends)

    def paragraph(self, y: float, words: list[tuple[str, Style]], size: float) -> float:
        """Set words between the margins, first line indented; give the next baseline."""
        lines = list(broken(words, size, RIGHT - LEFT))
        for index, (line, indent) in enumerate(lines):
            natural = sum(typeface(style).width(word, size) for word, style in line)
            space = typeface(Style.REGULAR).width(" ", size)
            if index < len(lines) - 1:
                space = (RIGHT - LEFT - indent - natural) / (len(line) - 1)
            x = LEFT + indent
            for word, style in line:
                # the space is written too, for those who copy the text
                self.text(x, y, word + " ", size, style)
                x += typeface(style).width(word, size) + space
            y -= LINE
        return y


def broken(
    words: list[tuple[str, Style]], size: float, width: float
) -> Iterator[tuple[list[tuple[str, Style]], float]]:
    """Break words into lines; yields (words, indent)."""
    space = typeface(Style.REGULAR).width(" ", size)
    line: list[tuple[str, Style]] = []
    indent, taken = 34.0, 34.0
    for word, style in words:
        wide = typeface(style).width(word, size)
        if line and taken + wide > width:
            yield line, indent
            line, indent, taken = [], 0.0, 0.0
        line.append((word, style))
        taken += wide + space
    yield line, indent


def styled(text: str, style: Style) -> list[tuple[str, Style]]:
    """Cut a text into words of one style."""
    return [(word, style) for word in text.split()]


def head(sheet: Sheet) -> float:
    """Set the name of the state and the issuing body, number, place and date."""
    issuer, state = LEFT + 88, RIGHT - 135
    sheet.centred(issuer, TOP - 12, "ỦY BAN NHÂN DÂN", 13, Style.BOLD)
    sheet.centred(issuer, TOP - 28, "TỈNH BÌNH PHƯỚC", 13, Style.BOLD)
    sheet.rule(issuer, TOP - 34, 60)
    sheet.centred(state, TOP - 12, "CỘNG HÒA XÃ HỘI CHỦ NGHĨA VIỆT NAM", 12.5, Style.BOLD)
    sheet.centred(state, TOP - 28, "Độc lập - Tự do - Hạnh phúc", 13.5, Style.BOLD)
    sheet.rule(state, TOP - 34, 160)
    sheet.centred(issuer, TOP - 54, "Số: 12/QĐ-UBND", 13, Style.REGULAR)
    sheet.centred(state, TOP - 54, "Bình Phước, ngày 05 tháng 3 năm 2026", 13, Style.ITALIC)
    return TOP - 92


def body(sheet: Sheet, y: float) -> None:
    """Set title, abstract, grounds and articles."""
    middle = (LEFT + RIGHT) / 2
    sheet.centred(middle, y, "QUYẾT ĐỊNH", 14, Style.BOLD)
    abstract = (
        "Về việc ban hành Quy chế quản lý, sử dụng",
        "chứng thư chữ ký số trong các cơ quan nhà nước",
    )
    for line in abstract:
        y -= LINE
        sheet.centred(middle, y, line, 14, Style.BOLD)
    sheet.rule(middle, y - 7, 110)
    y -= 2 * LINE
    sheet.centred(middle, y, "CHỦ TỊCH ỦY BAN NHÂN DÂN TỈNH", 14, Style.BOLD)
    y -= 1.5 * LINE
    for ground in PREAMBLE:
        y = sheet.paragraph(y, styled(ground, Style.ITALIC), 14)
    y -= 0.5 * LINE
    sheet.centred(middle, y, "QUYẾT ĐỊNH:", 14, Style.BOLD)
    y -= 1.4 * LINE
    for title, text in ARTICLES:
        words = styled(title, Style.BOLD) + styled(text, Style.REGULAR)
        y = sheet.paragraph(y, words, 14) - 5


def foot(sheet: Sheet) -> None:
    """Set the places received, the signer's post and name; the room between stays empty."""
    y = 232.0
    sheet.text(LEFT, y, "Nơi nhận:", 12, Style.BOLD)
    for index, line in enumerate(RECEIVERS, start=1):
        sheet.text(LEFT, y - 14 * index, line, 11, Style.REGULAR)
    signer = RIGHT - 105
    sheet.centred(signer, y, "KT. CHỦ TỊCH", 14, Style.BOLD)
    sheet.centred(signer, y - LINE, "PHÓ CHỦ TỊCH", 14, Style.BOLD)
    # the person of the demonstration, whose stamp finds its place by this name
    sheet.centred(signer, 92, "Nguyễn Thị Hoài Thương", 14, Style.BOLD)
    sheet.centred((LEFT + RIGHT) / 2, 34, SPECIMEN, 9, Style.ITALIC)


def sample() -> bytes:
    """Write the decision."""
    sheet = Sheet()
    body(sheet, head(sheet))
    foot(sheet)
    file = File()
    catalog, pages, page = file.reserve(), file.reserve(), file.reserve()
    fonts: dict[str, Value] = {
        style.value: embedded_font("".join(sorted(letters)), style).add_to(file)
        for style, letters in sheet.used.items()
    }
    content = zlib.compress(b"\n".join(sheet.content), 9)
    file.put(
        page,
        {
            "Type": Name("Page"),
            "Parent": pages,
            "MediaBox": [0, 0, WIDTH, HEIGHT],
            "Resources": {"Font": fonts},
            "Contents": file.add(Stream({"Filter": Name("FlateDecode")}, content)),
        },
    )
    file.put(pages, {"Type": Name("Pages"), "Kids": [page], "Count": 1})
    file.put(
        catalog,
        {
            "Type": Name("Catalog"),
            "Pages": pages,
            "Lang": "vi-VN",
            "ViewerPreferences": {"DisplayDocTitle": True},
        },
    )
    info = file.add(
        {"Title": "Quyết định số 12/QĐ-UBND (văn bản mẫu)", "Producer": "Ấn Tín, make_sample.py"}
    )
    return file.finish(catalog, info)


if __name__ == "__main__":
    target = Path(sys.argv[1]) if sys.argv[1:] else Path(__file__).with_name("quyet-dinh.pdf")
    target.write_bytes(sample())
