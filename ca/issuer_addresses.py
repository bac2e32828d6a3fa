"""Where a certificate says that its status can be learned, and names for what is stored of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.x509.oid import AuthorityInformationAccessOID

from ca import der, ocsp_messages
from ca.revocation import RevocationEvidence

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ca.revocation import RevocationQuery

MAX_ADDRESSES: Final = 3
"""Of each kind, taken from one certificate."""
CRL_KEY: Final = "crl:"


@dataclass(frozen=True, slots=True)
class Addresses:
    """The addresses of OCSP servers and CRLs in a certificate, and the OCSP request about it."""

    ocsp: tuple[str, ...]
    crls: tuple[str, ...]
    request: bytes

    @classmethod
    def of(cls, query: RevocationQuery) -> Addresses:
        """Read the addresses of the certificate that is asked about."""
        certificate = query.certificate
        identifier = ocsp_messages.certificate_id(
            query.issuer.certificate, certificate.serial_number
        )
        request = der.sequence(der.sequence(der.sequence(der.sequence(identifier.encoded))))
        information = certificate.extension(x509.AuthorityInformationAccess)
        ocsp = [
            access.access_location.value
            for access in information or ()
            if access.access_method == AuthorityInformationAccessOID.OCSP
            and isinstance(access.access_location, x509.UniformResourceIdentifier)
        ]
        points = certificate.extension(x509.CRLDistributionPoints)
        crls = [
            name.value
            for point in points or ()
            for name in point.full_name or ()
            if isinstance(name, x509.UniformResourceIdentifier)
        ]
        return cls(tuple(ocsp[:MAX_ADDRESSES]), tuple(crls[:MAX_ADDRESSES]), request)

    def cache_keys(self) -> Iterator[tuple[str, bool]]:
        """Give the names under which data of each address is stored, and whether it is a CRL."""
        for url in self.ocsp:
            yield cache_key(url, self.request), False
        for url in self.crls:
            yield cache_key(url, None), True


def cache_key(url: str, request: bytes | None) -> str:
    """Name what an address gave: to an OCSP request, or as a CRL."""
    if request is None:
        return f"{CRL_KEY}{url}"
    return f"ocsp:{url}#{hashlib.sha256(request).hexdigest()}"


def evidence_of(data: bytes, *, is_crl: bool) -> RevocationEvidence:
    """Wrap what an address gave."""
    return RevocationEvidence(crls=(data,)) if is_crl else RevocationEvidence((), (data,))
