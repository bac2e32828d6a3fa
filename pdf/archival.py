"""Whether a document claims to be PDF/A, and what that asks of everything that is added to it.

ISO 19005-1 (2005), -2 (2011), -3 (2012), -4 (2020). A stamp keeps to the strictest rule that its
document's part has: letters embedded with their CIDSet, colours with a profile, no transparency in
part 1 or without an RGB output intent, an appearance also for what is invisible. Whether the
document was conforming before is not checked here.
"""

import re
from dataclasses import dataclass

# XMP packets are some kilobytes; what stands later than this is not looked at.
MAX_METADATA = 1024 * 1024
_NAMESPACE = re.compile(
    r"xmlns:([A-Za-z_][\w.-]*)\s*=\s*[\"']http://www\.aiim\.org/pdfa/ns/id/[\"']"
)
_BYTE_ORDERS = ((b"\xfe\xff", "utf-16-be"), (b"\xff\xfe", "utf-16-le"))
_LAST_WITH_CIDSET = 3
RGB_COMPONENTS = 3


@dataclass(frozen=True, kw_only=True)
class Archival:
    """The part of ISO 19005 that is claimed, its conformance letter, the kind of output intent."""

    part: int
    conformance: str = ""
    rgb_intent: bool = False

    @property
    def name(self) -> str:
        """Write it as people do: PDF/A-2b."""
        return f"PDF/A-{self.part}{self.conformance.lower()}"

    @property
    def soft_masks(self) -> bool:
        """Whether images may be transparent by degrees (ISO 19005-1 6.4, -2 6.2.10)."""
        return self.part > 1 and self.rgb_intent

    @property
    def cid_sets(self) -> bool:
        """Whether embedded subsets list their glyphs (ISO 19005-1 6.3.5; not in PDF 2.0)."""
        return self.part <= _LAST_WITH_CIDSET


def claimed(metadata: bytes, *, rgb_intent: bool) -> Archival | None:
    """Read the claim in an XMP packet; None when there is none that can be read."""
    text = _decoded(metadata[:MAX_METADATA])
    found = _NAMESPACE.search(text)
    if found is None:
        return None
    part = _property(text, found[1], "part")
    if part is None or not part.isdigit() or not 1 <= int(part) <= 9:  # noqa: PLR2004 - one digit
        return None
    conformance = _property(text, found[1], "conformance") or ""
    letter = conformance[:1] if conformance[:1].isascii() else ""
    return Archival(part=int(part), conformance=letter, rgb_intent=rgb_intent)


def _decoded(data: bytes) -> str:
    for mark, encoding in _BYTE_ORDERS:
        if data.startswith(mark):
            return data[2:].decode(encoding, "replace")
    return data.decode("utf-8", "replace")


def _property(text: str, prefix: str, name: str) -> str | None:
    """Give a simple property, written as an attribute or as an element."""
    word = re.escape(f"{prefix}:{name}")
    found = re.search(rf"{word}\s*=\s*[\"']([^\"'<]{{0,16}})[\"']", text) or re.search(
        rf"<{word}>\s{{0,64}}+([^<]{{0,16}}?)\s{{0,64}}</{word}>", text
    )
    return found[1] if found else None
