"""Undo stream filters within a budget (ISO 32000-1 clause 7.4).

Only the filters that can stand before data this room must read: cross-reference and object
streams, security stores, field appearances. Image filters are not decoded anywhere here.
"""

import base64
import binascii
import re
import zlib
from collections.abc import Callable, Sequence
from itertools import accumulate

from pdf.errors import DamagedPdf, LimitExceeded
from pdf.limits import DEFAULT_LIMITS, within
from pdf.syntax import Name, PdfDict, PdfObject

_ASCII85_JUNK = re.compile(rb"[^!-uz]")
_NOT_HEX = re.compile(rb"[^0-9A-Fa-f]")
_CHUNK = 1024 * 1024
_LZW_MAX_BITS = 12
_PNG_FIRST_PREDICTOR = 10
_TIFF_PREDICTOR = 2


class Unsupported(DamagedPdf):
    """A filter this room does not read stands before the data."""

    code = "filter_unsupported"


def decode(raw: bytes, entries: PdfDict, *, limit: int) -> bytes:
    """Undo all filters of a stream; the result has at most `limit` bytes at every stage.

    `entries` is the stream dictionary with direct /Filter and /DecodeParms.
    Raises LimitExceeded for a bomb, Unsupported for other filters, DamagedPdf for bad data.
    """
    names = _listed(entries.get("Filter", entries.get("F")))
    parameters = _listed(entries.get("DecodeParms", entries.get("DP")))
    within(len(names), DEFAULT_LIMITS.filters, "too many filters before one stream")
    data = raw
    for index, name in enumerate(names):
        step = _FILTERS.get(name) if isinstance(name, Name) else None
        if step is None:
            raise Unsupported(f"filter {name!r} is not read here")
        if step in _SLOW:
            within(len(data), DEFAULT_LIMITS.slow_filters, "too much data for its filter")
        data = step(data, limit)
        given = parameters[index] if index < len(parameters) else None
        if isinstance(given, PdfDict):
            within(len(data), DEFAULT_LIMITS.predicted_size, "too much predicted data")
            data = unpredicted(data, given)
        if len(data) > limit:
            raise LimitExceeded("a stream unpacks too far", limit=limit)
    return data


def _listed(value: PdfObject) -> Sequence[PdfObject]:
    if value is None:
        return ()
    return value if isinstance(value, list) else (value,)


def _flate(data: bytes, limit: int) -> bytes:
    """Inflate; a stream that stops early gives what it has, as every reader does."""
    for window in (zlib.MAX_WBITS, -zlib.MAX_WBITS):
        engine = zlib.decompressobj(window)
        try:
            result = engine.decompress(data, limit + 1)
        except zlib.error:
            result = _partial(data, window, limit)
        if result or not data:
            if len(result) > limit:
                raise LimitExceeded("a stream unpacks too far", limit=limit)
            return result
    return b""


def _partial(data: bytes, window: int, limit: int) -> bytes:
    engine = zlib.decompressobj(window)
    result = bytearray()
    step = 256
    try:
        for start in range(0, len(data), step):
            result += engine.decompress(data[start : start + step], limit + 1 - len(result))
            if len(result) > limit:
                break
    except zlib.error:
        pass
    return bytes(result)


def _lzw(data: bytes, limit: int) -> bytes:
    table: list[bytes] = []
    result = bytearray()
    bits = width = 0
    previous = b""
    buffer = 0
    width = 9
    for byte in data:
        buffer = (buffer << 8) | byte
        bits += 8
        if bits < width:
            continue
        bits -= width
        code = buffer >> bits
        buffer &= (1 << bits) - 1
        if code == 257:  # noqa: PLR2004 (end-of-data mark, ISO 32000-1 7.4.4.2)
            break
        if code == 256:  # noqa: PLR2004 (clear-table mark, same clause)
            table = [bytes((value,)) for value in range(256)] + [b"", b""]
            width, previous = 9, b""
            continue
        if not table:
            table = [bytes((value,)) for value in range(256)] + [b"", b""]
        if code < len(table):
            entry = table[code]
        elif previous:
            entry = previous + previous[:1]
        else:
            raise DamagedPdf("LZW data is broken")
        result += entry
        if len(result) > limit:
            raise LimitExceeded("a stream unpacks too far", limit=limit)
        if previous and len(table) < 1 << _LZW_MAX_BITS:
            table.append(previous + entry[:1])
        previous = entry
        width = min(_LZW_MAX_BITS, max(9, (len(table) + 1).bit_length()))
    return bytes(result)


def _ascii_hex(data: bytes, limit: int) -> bytes:
    digits = _NOT_HEX.sub(b"", data.partition(b">")[0])
    if len(digits) > 2 * limit:
        raise LimitExceeded("a stream unpacks too far", limit=limit)
    return binascii.unhexlify(digits + b"0" * (len(digits) % 2))


def _ascii85(data: bytes, limit: int) -> bytes:
    digits = _ASCII85_JUNK.sub(b"", data.partition(b"~")[0])
    if len(digits) > 2 * limit:
        raise LimitExceeded("a stream unpacks too far", limit=limit)
    try:
        return base64.a85decode(digits)
    except ValueError as problem:
        raise DamagedPdf("ASCII85 data is broken") from problem


def _run_length(data: bytes, limit: int) -> bytes:
    result = bytearray()
    position = 0
    while position < len(data) and data[position] != 128:  # noqa: PLR2004 (end mark, 7.4.5)
        count = data[position]
        if count < 128:  # noqa: PLR2004 (literal run, 7.4.5)
            result += data[position + 1 : position + 2 + count]
            position += count + 2
        else:
            result += data[position + 1 : position + 2] * (257 - count)
            position += 2
        if len(result) > limit:
            raise LimitExceeded("a stream unpacks too far", limit=limit)
    return bytes(result)


def _identity(data: bytes, limit: int) -> bytes:
    if len(data) > limit:
        raise LimitExceeded("a stream is too long", limit=limit)
    return data


_SLOW = frozenset({_lzw, _run_length})
_FILTERS: dict[str, Callable[[bytes, int], bytes]] = {
    "FlateDecode": _flate,
    "Fl": _flate,
    "LZWDecode": _lzw,
    "LZW": _lzw,
    "ASCIIHexDecode": _ascii_hex,
    "AHx": _ascii_hex,
    "ASCII85Decode": _ascii85,
    "A85": _ascii85,
    "RunLengthDecode": _run_length,
    "RL": _run_length,
    "Crypt": _identity,
}


def _number(parameters: PdfDict, key: str, default: int) -> int:
    value = parameters.get(key, default)
    if not isinstance(value, int) or not 0 <= value <= 1 << 20:
        raise DamagedPdf(f"decode parameter {key} is out of range")
    return value


def unpredicted(data: bytes, parameters: PdfDict) -> bytes:
    """Undo the prediction that stands before Flate and LZW; raises DamagedPdf, Unsupported."""
    predictor = _number(parameters, "Predictor", 1)
    if predictor < _TIFF_PREDICTOR:
        return data
    colors = _number(parameters, "Colors", 1)
    bits = _number(parameters, "BitsPerComponent", 8)
    columns = _number(parameters, "Columns", 1)
    pixel = max(1, colors * bits // 8)
    row = (colors * bits * columns + 7) // 8
    if not row:
        raise DamagedPdf("decode parameters give rows of no length")
    if predictor >= _PNG_FIRST_PREDICTOR:
        return _png(data, row, pixel)
    if bits != 8:  # noqa: PLR2004 (TIFF prediction is read for whole bytes only)
        raise Unsupported("TIFF prediction of partial bytes is not read here")
    result = bytearray(data)
    for start in range(0, len(result), row):
        for index in range(start + pixel, min(start + row, len(result))):
            result[index] = (result[index] + result[index - pixel]) & 0xFF
    return bytes(result)


def _png(data: bytes, row: int, pixel: int) -> bytes:
    """Undo PNG prediction (RFC 2083 clause 6), row by row."""
    if len(data) % (row + 1) == 0 and set(data[:: row + 1]) == {2}:
        return _differences_summed(data, row)
    above = bytearray(row)
    result = bytearray()
    for start in range(0, len(data), row + 1):
        kind = data[start]
        line = bytearray(data[start + 1 : start + 1 + row])
        if kind == 2:  # noqa: PLR2004 (the filter numbers are those of RFC 2083)
            line = bytearray((a + b) & 0xFF for a, b in zip(line, above, strict=False))
        elif kind == 1:
            for i in range(pixel, len(line)):
                line[i] = (line[i] + line[i - pixel]) & 0xFF
        elif kind == 3:  # noqa: PLR2004 (as above)
            for i in range(len(line)):
                left = line[i - pixel] if i >= pixel else 0
                line[i] = (line[i] + (left + above[i]) // 2) & 0xFF
        elif kind == 4:  # noqa: PLR2004 (as above)
            _paeth(line, above, pixel)
        result += line
        above = line + bytearray(row - len(line))
    return bytes(result)


def _differences_summed(data: bytes, row: int) -> bytes:
    """Undo the difference to the row above, column by column: what cross-references come in."""
    result = bytearray(len(data) // (row + 1) * row)
    for place in range(row):
        sums = accumulate(data[place + 1 :: row + 1])
        result[place::row] = bytes(total & 0xFF for total in sums)
    return bytes(result)


def _paeth(line: bytearray, above: bytearray, pixel: int) -> None:
    for i in range(len(line)):
        left = line[i - pixel] if i >= pixel else 0
        up = above[i]
        corner = above[i - pixel] if i >= pixel else 0
        guess = left + up - corner
        nearest = min((abs(guess - left), 0), (abs(guess - up), 1), (abs(guess - corner), 2))[1]
        line[i] = (line[i] + (left, up, corner)[nearest]) & 0xFF
