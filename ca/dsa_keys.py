"""DSA keys in certificates that leave out the parameters (RFC 3279 2.3.2).

A parser that wants them can read such a certificate only with some put in; what was signed stays
the bytes without them. `ca.inherited_parameters` finds the real ones.
"""

from __future__ import annotations

from typing import Final

from ca import der
from ca.certificate_fields import read_fields

DSA: Final = "1.2.840.10040.4.1"
_PLACEHOLDER: Final = der.sequence(der.integer(23), der.integer(11), der.integer(2))


def public_value(to_be_signed: bytes) -> int | None:
    """Give the public value of a DSA key without parameters; None for every other certificate."""
    try:
        algorithm, bits = der.children(der.whole(read_fields(to_be_signed).subject_public_key_info))
        kind, *parameters = der.children(algorithm)
        if parameters or der.read_object_identifier(kind) != DSA:
            return None
        return der.read_integer(der.whole(bits.content[1:], der.INTEGER))
    except ValueError:
        return None


def readable(certificate: bytes) -> bytes:
    """Give a certificate whose DSA key has placeholders for parameters.

    To be parsed for everything but its key; its signature does not hold. ValueError for a
    certificate that is not of this kind.
    """
    parts = der.signed_parts(certificate)
    value = public_value(parts[0].encoded)
    if value is None:
        raise der.DerError("not a DSA key without parameters")
    old = read_fields(parts[0].encoded).subject_public_key_info
    algorithm = der.sequence(der.object_identifier(DSA), _PLACEHOLDER)
    new = der.sequence(algorithm, der.bit_string(der.integer(value)))
    body = [new if field.encoded == old else field.encoded for field in der.children(parts[0])]
    return der.sequence(der.sequence(*body), *(part.encoded for part in parts[1:]))
