"""Finding the ways from a certificate up to a trust anchor (RFC 4158), within a fixed effort.

Certificates come from strangers' documents: hundreds of CAs with one name, all signing each other,
are an attack and not a hierarchy. Every signature check is remembered, and a search stops at its
deadline or after a number of checks, whichever comes first. What is remembered depends on bytes
alone, so a validator keeps it from one certificate to the next.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from ca import signature_checks
from ca.parsed_certificates import ParsedCertificate

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from ca.certificate_fields import CanonicalName

MAX_PATH_SECONDS: Final = 2.0
"""For one certificate, its revocation included; an ordinary path takes a few milliseconds."""
MAX_PATH_LENGTH: Final = 20
"""Certificates between target and anchor; real hierarchies have two to five."""
MAX_SIGNATURE_CHECKS: Final = 500
"""About 0.1 s of RSA verification."""

MAX_REMEMBERED: Final = 4096
"""Signature checks kept, of some hundred bytes each."""

Checked = dict[tuple[bytes, bytes], bool]
"""Whether a key signed a certificate, by the certificate's SHA-256 and the key's bytes."""
Path = tuple[ParsedCertificate, ...]
"""From the anchor down to the target."""


class EffortExceeded(Exception):
    """The search was stopped; stays inside this room."""


@dataclass(slots=True)
class Effort:
    """What one validation may still spend."""

    seconds: float = MAX_PATH_SECONDS
    checks: int = MAX_SIGNATURE_CHECKS
    deadline: float = field(init=False)

    def __post_init__(self) -> None:
        """Start the clock; a monotonic one, for a bound and not for a time of day."""
        self.deadline = time.monotonic() + self.seconds

    def spend_check(self) -> None:
        """Count one signature check; EffortExceeded when there are no more."""
        self.checks -= 1
        if self.checks < 0:
            raise EffortExceeded("too many signature checks")
        self.look_at_clock()

    def look_at_clock(self) -> None:
        """Raise EffortExceeded past the deadline."""
        if time.monotonic() > self.deadline:
            raise EffortExceeded("too much time")

    @property
    def seconds_left(self) -> float:
        """Seconds until the deadline, at least zero."""
        return max(0.0, self.deadline - time.monotonic())


class CertificatePool:
    """Certificates to build paths from, found by their subject."""

    def __init__(self, certificates: Iterable[ParsedCertificate]) -> None:
        self._by_subject: dict[CanonicalName, list[ParsedCertificate]] = {}
        seen: set[bytes] = set()
        for certificate in certificates:
            if certificate.fingerprint not in seen:
                seen.add(certificate.fingerprint)
                self._by_subject.setdefault(certificate.subject, []).append(certificate)

    def named(self, subject: CanonicalName) -> list[ParsedCertificate]:
        """List the certificates with that subject."""
        return self._by_subject.get(subject, [])

    def issuers_of(self, child: ParsedCertificate) -> list[ParsedCertificate]:
        """List possible issuers by name, those whose key identifier matches first.

        Whoever has no name issues nothing (RFC 5280 4.1.2.4).
        """
        if not child.issuer:
            return []
        wanted = child.authority_key_identifier
        return sorted(
            self.named(child.issuer),
            key=lambda issuer: _key_distance(wanted, issuer.subject_key_identifier),
        )


def _key_distance(wanted: bytes | None, found: bytes | None) -> int:
    if wanted is None or found is None:
        return 1
    return 0 if wanted == found else 2


class PathBuilder:
    """Yields the paths of one validation; remembers the signatures it has checked.

    `checked` are checks of earlier validations, and takes those of this one; threads may share it.
    """

    def __init__(
        self,
        anchors: CertificatePool,
        intermediates: CertificatePool,
        effort: Effort,
        checked: Checked | None = None,
    ) -> None:
        self._anchors = anchors
        self._intermediates = intermediates
        self._effort = effort
        self._checked = {} if checked is None else checked

    def paths(self, target: ParsedCertificate) -> Iterator[Path]:
        """Yield every path whose signatures hold, depth first, the likeliest first."""
        if any(
            anchor.fingerprint == target.fingerprint
            for anchor in self._anchors.named(target.subject)
        ):
            yield (target,)
            return
        yield from self._climb((target,))

    def _climb(self, below: Path) -> Iterator[Path]:
        child = below[0]
        for anchor in self._anchors.issuers_of(child):
            if self.signed(child, anchor):
                yield (anchor, *below)
        if len(below) > MAX_PATH_LENGTH:
            return
        used = {(link.subject, link.key_bytes) for link in below}
        for issuer in self._intermediates.issuers_of(child):
            # The same entity twice in a path cannot lead anywhere new.
            if (issuer.subject, issuer.key_bytes) not in used and self.signed(child, issuer):
                yield from self._climb((issuer, *below))

    def signed(self, child: ParsedCertificate, issuer: ParsedCertificate) -> bool:
        """Say whether the issuer's key signed the child."""
        pair = (child.fingerprint, issuer.key_bytes)
        known = self._checked.get(pair)
        if known is not None:
            self._effort.look_at_clock()
            return known
        self._effort.spend_check()
        try:
            signed = signature_checks.of_certificate(child.certificate, child.to_be_signed)
        except ValueError:
            holds = False
        else:
            holds = signature_checks.is_signed_by(signed, issuer.public_key)
        if len(self._checked) >= MAX_REMEMBERED:
            self._checked.clear()
        self._checked[pair] = holds
        return holds
