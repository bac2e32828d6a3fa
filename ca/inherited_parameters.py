"""DSA keys that take their parameters from their issuer, completed before paths are built.

Nobody issues such certificates any more; old chains hold them, and a path validator has to carry
the parameters down a path (RFC 5280 6.1.3 and 6.1.4). An issuer counts whose signature on the
certificate holds: parameters are part of a key, so no other issuer's would fit.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Final

from cryptography.hazmat.primitives.asymmetric import dsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ca import signature_checks
from ca.dsa_keys import public_value

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ca.parsed_certificates import ParsedCertificate
    from ca.path_building import Effort

_MAX_ROUNDS: Final = 4
"""How many certificates below each other may leave their parameters out."""


def completed(
    certificates: Sequence[ParsedCertificate],
    anchors: Sequence[ParsedCertificate],
    effort: Effort,
) -> tuple[ParsedCertificate, ...]:
    """Give the certificates, keys without parameters completed where an issuer has them."""
    found = tuple(certificates)
    for _ in range(_MAX_ROUNDS):
        lacking = {
            place: value
            for place, one in enumerate(found)
            if one.public_key is None and (value := public_value(one.to_be_signed)) is not None
        }
        keys = {
            place: parameters
            for place in lacking
            if (parameters := _parameters(found[place], (*anchors, *found), effort)) is not None
        }
        if not keys:
            break
        found = tuple(
            _with_key(one, dsa.DSAPublicNumbers(lacking[place], keys[place]).public_key())
            if place in keys
            else one
            for place, one in enumerate(found)
        )
    return found


def _parameters(
    lacking: ParsedCertificate, issuers: Sequence[ParsedCertificate], effort: Effort
) -> dsa.DSAParameterNumbers | None:
    signed = signature_checks.of_certificate(lacking.certificate, lacking.to_be_signed)
    for issuer in issuers:
        key = issuer.public_key
        if isinstance(key, dsa.DSAPublicKey) and issuer.subject == lacking.issuer:
            effort.spend_check()
            if signature_checks.is_signed_by(signed, key):
                return key.public_numbers().parameter_numbers
    return None


def _with_key(certificate: ParsedCertificate, key: dsa.DSAPublicKey) -> ParsedCertificate:
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return replace(certificate, public_key=key, key_bytes=encoded)
