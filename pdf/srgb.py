"""The colour space sRGB as an ICC profile, for documents that must name what their colours mean.

PDF/A allows device colours only under an output intent of the same kind; with a profile of its own
a stamp is right in every archival document. Built by ICC.1:2001-04 (version 2, which PDF/A-1 asks
for), three-component matrix profile: primaries of IEC 61966-2-1 adapted to D50, and its curve as a
table.
"""

import struct
import zlib
from functools import lru_cache

from pdf.objects import Name, ObjectSink, Ref, Stream

_D50 = (0.9642, 1.0, 0.8249)
_RED = (0.43607, 0.22249, 0.01392)
_GREEN = (0.38515, 0.71687, 0.09708)
_BLUE = (0.14307, 0.06061, 0.71410)
_CURVE_POINTS = 1024
_HEADER_SIZE = 128
_LINEAR_UNTIL = 0.04045


def add_srgb(sink: ObjectSink) -> Ref:
    """Write the profile; give the reference for [/ICCBased ref]."""
    return sink.add(
        Stream(
            {"N": 3, "Alternate": Name("DeviceRGB"), "Filter": Name("FlateDecode")},
            zlib.compress(profile(), 9),
        )
    )


@lru_cache(maxsize=1)
def profile() -> bytes:
    """Build the profile, once per process."""
    curve = _curve()
    tags = {
        b"desc": _description("sRGB"),
        b"cprt": b"text" + bytes(4) + b"No rights reserved\0",
        b"wtpt": _xyz(_D50),
        b"rXYZ": _xyz(_RED),
        b"gXYZ": _xyz(_GREEN),
        b"bXYZ": _xyz(_BLUE),
        b"rTRC": curve,
        b"gTRC": curve,
        b"bTRC": curve,
    }
    position = _HEADER_SIZE + 4 + 12 * len(tags)
    table, body, placed = struct.pack(">I", len(tags)), b"", dict[bytes, int]()
    for name, data in tags.items():
        if data not in placed:
            placed[data] = position + len(body)
            body += data + bytes(-len(data) % 4)
        table += struct.pack(">4sII", name, placed[data], len(data))
    return _header(_HEADER_SIZE + len(table) + len(body)) + table + body


def _header(size: int) -> bytes:
    return struct.pack(
        ">I4xI4s4s4s6H4s40x3i48x",
        size,
        0x02400000,
        b"mntr",
        b"RGB ",
        b"XYZ ",
        *(2026, 1, 1, 0, 0, 0),
        b"acsp",
        *(_fixed(value) for value in _D50),
    )[:_HEADER_SIZE]


def _fixed(value: float) -> int:
    return round(value * 65536)


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ " + struct.pack(">4x3i", *(_fixed(value) for value in values))


def _description(text: str) -> bytes:
    data = text.encode() + b"\0"
    # ASCII, then an empty Unicode and an empty Macintosh version (ICC.1:2001-04, 6.5.17)
    return b"desc" + struct.pack(">4xI", len(data)) + data + bytes(8 + 3 + 67)


def _curve() -> bytes:
    points = []
    for index in range(_CURVE_POINTS):
        value = index / (_CURVE_POINTS - 1)
        linear = value / 12.92 if value <= _LINEAR_UNTIL else ((value + 0.055) / 1.055) ** 2.4
        points.append(round(linear * 65535))
    return b"curv" + struct.pack(f">4xI{_CURVE_POINTS}H", _CURVE_POINTS, *points)
