"""What a hostile file may cost: named limits on reading, each with its reason.

Reading a PDF means following sizes and offsets that its author chose. Every such number is
checked against one of these limits before it is believed. Sizes are bytes unless said otherwise.
"""

from dataclasses import dataclass

from pdf.errors import LimitExceeded

MIB = 1024 * 1024


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """The ceiling for one document; the defaults fit an administration's incoming mail."""

    file_size: int = 1024 * MIB
    """The upload limit of the service is 512 MiB; scans on a PC may be larger."""

    revisions: int = 512
    """Cross-reference sections; a file signed a hundred times has about two hundred."""

    signatures: int = 256
    """Signature dictionaries looked at; beyond this the file is a bomb, not a document."""

    objects: int = 1_000_000
    """Entries over all cross-reference sections, and objects found by scanning: reading a million
    takes seconds, and a thousand-page scan has some ten thousand."""

    depth: int = 200
    """Nesting of arrays and dictionaries, and of trees; honest files stay below 30."""

    stream_size: int = 64 * MIB
    """One decoded stream that verification itself must read (cross-references, objects)."""

    decoded_total: int = 256 * MIB
    """All decoded streams of one document together: many small bombs are one large bomb."""

    ratio: int = 100
    """Decoded bytes for each byte of the file, where that is more than one stream may have."""

    cms_size: int = 16 * MIB
    """One /Contents value; a CMS with every CRL of a large PKI inside stays below 5 MiB."""

    certificates: int = 200
    """Certificates taken from one CMS or one security store."""

    changed_objects: int = 200_000
    """Objects compared between two revisions."""

    visits: int = 5_000_000
    """Steps through the object graph for one document's later changes: about ten seconds."""

    traces: int = 100_000
    """Places where the words of a signature dictionary stand."""

    drawings: int = 200
    """Pages drawn to compare what revisions show; a drawing takes some 10 ms."""

    picture_seconds: float = 8.0
    """For all comparisons of pictures in one document."""

    slow_filters: int = 8 * MIB
    """Data before a filter that is undone octet by octet (LZW, run lengths): two seconds."""

    filters: int = 8
    """Filters before one stream; honest files have one or two."""

    predicted_size: int = 24 * MIB
    """Data whose PNG or TIFF prediction is undone; a million cross-references take 6 MiB."""


DEFAULT_LIMITS = Limits()


def within(value: int, limit: int, what: str) -> int:
    """Return `value`, or raise LimitExceeded when it is beyond `limit`."""
    if value > limit:
        raise LimitExceeded(what, limit=limit)
    return value
