"""What one extension adds to a document, and what the ways of writing it give back."""

from dataclasses import dataclass

from pdf.revision import Revision


@dataclass(frozen=True, kw_only=True)
class NewEvidence:
    """Certificates, OCSP answers and CRLs that the document does not hold yet, all DER."""

    certificates: tuple[bytes, ...] = ()
    ocsp_responses: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.certificates or self.ocsp_responses or self.crls)


@dataclass(frozen=True, kw_only=True)
class Addition:
    """Evidence for the security store, and room for a document time-stamp of that many bytes."""

    evidence: NewEvidence
    timestamp_room: int | None = None


@dataclass(frozen=True)
class Extension:
    """The bytes behind the file; `stamp` says where the time-stamp goes, None without one."""

    tail: bytearray
    stamp: Revision | None = None

    @classmethod
    def stamped(
        cls, tail: bytearray, *, base: int, room: int, places: tuple[int, int]
    ) -> "Extension":
        """Close the byte range; `places` are the file offsets of /Contents and /ByteRange."""
        contents, byte_range = places
        stamp = Revision(
            tail=tail,
            base=base,
            contents_offset=contents + 1,
            contents_length=2 * room,
            byte_range_offset=byte_range,
            field="",
        )
        stamp.close_byte_range()
        return cls(tail, stamp)
