"""A signed letter put together by hand, so that any mistake can be under a signature that holds.

Nothing of ours writes the file or the CMS: the dictionary is what the test says, and the CMS is
made by another library over whatever bytes the test calls covered.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tests.ca.hierarchy import root
from tests.pdf.cms_kit import Detached
from tests.pdf.signing_kit import NOW
from tests.pdf.verifying_kit import letter

HEX = 6000
"""Digits of the room for the signature."""
ENTRIES = "/Type/Sig/Filter/Adobe.PPKLite/SubFilter/adbe.pkcs7.detached"
WIDTH = 80
"""Of the room for the ByteRange."""
Four = tuple[int, int, int, int]


def plain(four: Four) -> str:
    """Write a ByteRange as everybody does."""
    return f"[{' '.join(map(str, four))}]"


@dataclass(kw_only=True)
class Handmade:
    """What stands in the signature dictionary, and what of the file is left out.

    In `layout`, `@R` is the ByteRange, written by `numbers`, and `@C` the signature, whose digits
    `digits` may change. `left_out` moves the edges of the gap; `more` are objects from number 8.
    """

    layout: str = ENTRIES + "/ByteRange @R/Contents @C"
    numbers: Callable[[Four], str] = plain
    digits: Callable[[str], str] = str
    left_out: tuple[int, int] = (0, 0)
    cms: Callable[[bytes], bytes] | None = None
    more: Sequence[str] = ()

    def encoded(self) -> bytes:
        """Give the file."""
        room, blank = f"<{self.digits('0' * HEX)}>", " " * WIDTH
        dictionary = "<<" + self.layout.replace("@R", blank).replace("@C", room) + ">>"
        field = "<</Type/Annot/Subtype/Widget/FT/Sig/T(Ky)/Rect[0 0 0 0]/P 4 0 R/F 132/V 7 0 R>>"
        data = letter(
            catalog="/AcroForm<</Fields[6 0 R]/SigFlags 3>>",
            page="/Annots[6 0 R]",
            more=[field, dictionary, *self.more],
        )
        start = data.index(room.encode())
        left, right = start + self.left_out[0], start + len(room) + self.left_out[1]
        four = self.numbers((0, left, right, len(data) - right)).ljust(WIDTH)
        data = data.replace(blank.encode(), four.encode(), 1)
        assert data.index(room.encode()) == start
        value = (self.cms or signed)(data[:left] + data[right:]).hex().ljust(HEX, "0")
        return data.replace(room.encode(), f"<{self.digits(value)}>".encode(), 1)


def signed(covered: bytes) -> bytes:
    """Make the CMS as it should be."""
    return Detached(content=covered, signer=SIGNER, at=NOW).encoded()


AUTHORITY = root("Cơ quan của người ký tay")
SIGNER = AUTHORITY.issue("Nguyễn Văn Tay")
