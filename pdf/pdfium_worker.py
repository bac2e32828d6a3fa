"""The process in which pages are drawn and their text is read: `python -m pdf.pdfium_worker FD`.

A reader of pages is a large program fed by strangers. It runs here, with limits of memory and
processor time and with nothing to lose: no key, no database, no secret but a document's password.
It answers one request after the other until its parent closes the connection.
"""

import io
import json
import os
import socket
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import pypdfium2

from pdf.pdfium import LENGTH
from pdf.text_folding import occurrences

if TYPE_CHECKING:
    from typing_extensions import Buffer

MEMORY_BYTES = 2 * 1024**3
MOST_PIXELS = 4_000_000
"""About an A4 page at 200 dots per inch."""
MOST_LETTERS = 200_000
"""Letters of one page that are looked through; a dense page has some ten thousand."""
_CPU_MARGIN_SECONDS = 2


def main(descriptor: int) -> None:
    """Serve one connection to its end."""
    _limit(memory=MEMORY_BYTES)
    with socket.socket(fileno=descriptor) as connection:
        while True:
            head, files, _, _ = socket.recv_fds(connection, LENGTH.size, 1)
            if not head:
                return
            while len(head) < LENGTH.size:
                head += connection.recv(LENGTH.size - len(head))
            asked = json.loads(_exactly(connection, LENGTH.unpack(head)[0]))
            _limit(seconds=float(asked["seconds"]))
            with closing(_Document(files[0])) as file:
                answer, data = _answered(file, asked)
            said = json.dumps(answer).encode()
            connection.sendall(LENGTH.pack(len(said), len(data)) + said + data)


class _Document(io.RawIOBase):
    """The parent's open file, read without moving the position that the parent reads at."""

    def __init__(self, descriptor: int, size: int | None = None) -> None:
        super().__init__()
        self._descriptor = descriptor
        whole = os.fstat(descriptor).st_size
        self._size = whole if size is None else min(size, whole)
        self._position = 0

    def up_to(self, size: int | None) -> "_Document":
        """Give the file up to a byte, as a file of its own."""
        return _Document(os.dup(self._descriptor), size)

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        start = {os.SEEK_SET: 0, os.SEEK_CUR: self._position, os.SEEK_END: self._size}[whence]
        self._position = start + offset
        return self._position

    def readinto(self, into: "Buffer") -> int:
        view = memoryview(into).cast("B")
        wanted = max(0, min(len(view), self._size - self._position))
        data = os.pread(self._descriptor, wanted, self._position)
        view[: len(data)] = data
        self._position += len(data)
        return len(data)

    def close(self) -> None:
        if not self.closed:
            os.close(self._descriptor)
        super().close()


def _answered(file: _Document, asked: dict[str, object]) -> tuple[dict[str, object], bytes]:
    try:
        if asked["do"] in {"differ", "show"}:
            return _differences(file, asked)
        with closing(pypdfium2.PdfDocument(file, password=asked.get("password"))) as document:
            if asked["do"] == "draw":
                return _drawn(document, asked)
            return {"found": _found(document, asked)}, b""
    except (pypdfium2.PdfiumError, ValueError, IndexError, KeyError, MemoryError, OSError) as error:
        return {"error": f"{type(error).__name__}: {error}"[:200]}, b""


def _differences(file: _Document, asked: dict[str, object]) -> tuple[dict[str, object], bytes]:
    from pdf import page_differences  # noqa: PLC0415 -- previews and words need no comparison

    def opened(end: int | None) -> pypdfium2.PdfDocument:
        password = asked.get("password")
        return pypdfium2.PdfDocument(file.up_to(end), password=password, autoclose=True)

    if asked["do"] == "show":
        return page_differences.show(opened, asked)
    return page_differences.differ(opened, asked), b""


def _page_number(document: pypdfium2.PdfDocument, asked: int) -> int:
    return asked if asked > 0 else len(document) + 1 + asked


def _drawn(
    document: pypdfium2.PdfDocument, asked: dict[str, object]
) -> tuple[dict[str, object], bytes]:
    document.init_forms()
    number = _page_number(document, int(str(asked["page"])))
    with closing(document[number - 1]) as page:
        width, height = page.get_size()
        most = (MOST_PIXELS / max(1.0, width * height)) ** 0.5
        scale = min(float(str(asked["dpi"])) / 72, most)
        with closing(page.render(scale=scale)) as bitmap:
            picture = bitmap.to_pil()
            out = io.BytesIO()
            picture.convert("RGB").save(out, "PNG")
    told: dict[str, object] = {"page": number, "pages": len(document), "scale": scale}
    return {**told, "width": picture.width, "height": picture.height}, out.getvalue()


def _found(document: pypdfium2.PdfDocument, asked: dict[str, object]) -> dict[str, object] | None:
    """Look for the words page by page, from the end that the occurrence is counted from."""
    pages = len(document)
    if asked.get("page") is None:
        numbers = list(range(1, pages + 1))
    else:
        numbers = [_page_number(document, int(str(asked["page"])))]
    occurrence = int(str(asked["occurrence"]))
    left = abs(occurrence)
    for number in numbers if occurrence > 0 else reversed(numbers):
        with closing(document[number - 1]) as page, closing(page.get_textpage()) as text:
            places = _places(text, str(asked["text"]))
            if left <= len(places):
                box = places[left - 1 if occurrence > 0 else -left]
                return {"page": number, "pages": pages, "box": box}
            left -= len(places)
    return None


def _places(text: pypdfium2.PdfTextPage, wanted: str) -> list[list[float]]:
    count = text.count_chars()
    if not 0 < count <= MOST_LETTERS:
        return []
    letters = [
        chr(code) if code <= sys.maxunicode else " "
        for code in (pypdfium2.raw.FPDFText_GetUnicode(text, index) for index in range(count))
    ]
    return [
        _around([text.get_charbox(index) for index in range(first, last + 1)])
        for first, last in occurrences("".join(letters), wanted)
    ]


def _around(boxes: list[tuple[float, float, float, float]]) -> list[float]:
    real = [box for box in boxes if box[0] != box[2]] or boxes
    lefts, bottoms, rights, tops = zip(*real, strict=True)
    return [min(lefts), min(bottoms), max(rights), max(tops)]


def _exactly(source: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        more = source.recv(size - len(data))
        if not more:
            sys.exit(0)
        data += more
    return data


def _limit(*, memory: int | None = None, seconds: float | None = None) -> None:
    if sys.platform == "win32":
        return
    import resource  # noqa: PLC0415 -- not there on every system

    if memory is not None:
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # standard output and the connection are open already; nothing else is to be written
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    if seconds is not None:
        _, hard = resource.getrlimit(resource.RLIMIT_CPU)
        until = int(time.process_time() + seconds) + _CPU_MARGIN_SECONDS
        resource.setrlimit(resource.RLIMIT_CPU, (until, hard))


if __name__ == "__main__":
    main(int(sys.argv[1]))
