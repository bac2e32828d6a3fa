"""The values a signature adds to a document, however they are then written.

Signature dictionary (ISO 32000-2 section 12.8.1, ETSI EN 319 142-1 section 5.3), the widget of a
new field (12.5.6.19, 12.7.5.5), and the words its stamp may show.
"""

from collections.abc import Mapping
from datetime import datetime

from pdf.appearance import VIETNAM, local_time
from pdf.objects import Name, Raw, Ref, Value
from pdf.options import SignatureOptions
from pdf.signer import SignerChain

# Room for the four numbers of /ByteRange, ten digits each and more: files up to a terabyte.
BYTE_RANGE_ROOM = 60
# Both bits of /SigFlags: signatures exist, append only.
SIGNATURES_EXIST_APPEND_ONLY = 3
# Widget flags (ISO 32000-2 table 167): print, locked.
_PRINT, _LOCKED = 4, 128


def open_ends(room: int) -> tuple[Raw, Raw]:
    """Give the empty /Contents for `room` bytes, and the blank room of /ByteRange."""
    return Raw(b"<%s>" % (b"0" * (2 * room))), Raw(b" " * BYTE_RANGE_ROOM)


def signature_dictionary(
    options: SignatureOptions, *, contents: Raw, byte_range: Raw
) -> dict[str, Value]:
    """Describe the signature; /ByteRange and /Contents stand next to each other."""
    entries: dict[str, Value] = {
        "Type": Name("Sig"),
        "Filter": Name("Adobe.PPKLite"),
        "SubFilter": Name(options.sub_filter.value),
        "ByteRange": byte_range,
        "Contents": contents,
        "M": pdf_date(options.signing_time),
    }
    told = {
        "Name": options.name,
        "Reason": options.reason,
        "Location": options.location,
        "ContactInfo": options.contact,
    }
    return entries | {key: text for key, text in told.items() if text}


def timestamp_dictionary(*, contents: Raw, byte_range: Raw) -> dict[str, Value]:
    """Describe a document time-stamp (ISO 32000-2 section 12.8.5); its time is in the token."""
    return {
        "Type": Name("DocTimeStamp"),
        "Filter": Name("Adobe.PPKLite"),
        "SubFilter": Name("ETSI.RFC3161"),
        "ByteRange": byte_range,
        "Contents": contents,
    }


def widget(name: str, signature: Ref) -> dict[str, Value]:
    """Describe a new field with its widget, invisible as long as nobody gives it a rectangle."""
    return {
        "Type": Name("Annot"),
        "Subtype": Name("Widget"),
        "FT": Name("Sig"),
        "T": name,
        "F": _PRINT | _LOCKED,
        "Rect": [0, 0, 0, 0],
        "V": signature,
    }


def stamp_words(options: SignatureOptions, signer: SignerChain) -> Mapping[str, str | None]:
    """Give the words that stamp lines may name; what the caller leaves out the certificate says."""
    stamp = options.stamp
    return {
        "name": (stamp and stamp.name) or options.name or signer.common_name,
        "organization": (stamp and stamp.organization) or signer.organization,
        "position": (stamp and stamp.position) or signer.title,
        "number": stamp.number if stamp else None,
        "reason": options.reason,
        "location": options.location,
        "time": local_time(options.signing_time),
        "time_iso": options.signing_time.astimezone(VIETNAM).isoformat(timespec="seconds"),
        "date": options.signing_time.astimezone(VIETNAM).strftime("%d/%m/%Y"),
    }


def pdf_date(at: datetime) -> str:
    """Write a time as a PDF date with its zone (ISO 32000-2 section 7.9.4)."""
    offset = at.strftime("%z")
    return at.strftime("D:%Y%m%d%H%M%S") + f"{offset[:3]}'{offset[3:5]}'"
