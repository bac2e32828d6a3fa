"""What an extension asks of whoever finds validation evidence (ETSI EN 319 142-1 section 5.4).

This room neither builds paths nor asks servers: it hands over a certificate with what the document
carries, and gets back the certificates, OCSP answers and CRLs that settle it, as bytes. `signing`
passes in the collector of `ca`; tests and callers may pass their own.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pdf.validator import Purpose


@dataclass(frozen=True, kw_only=True)
class Carried:
    """What the document holds already: certificates, CRLs and OCSP answers, all DER."""

    certificates: tuple[bytes, ...] = ()
    crls: tuple[bytes, ...] = ()
    ocsp_responses: tuple[bytes, ...] = ()


class Evidence(Protocol):
    """What was found for one certificate."""

    @property
    def trusted(self) -> bool:
        """Whether path, purpose, time and status all hold."""

    @property
    def sub_indication(self) -> str | None:
        """The word of EN 319 102-1 for what does not hold."""

    @property
    def certificates(self) -> Sequence[bytes]:
        """The path from the certificate up to its anchor, and who else signed the evidence."""

    @property
    def crls(self) -> Sequence[bytes]:
        """The CRLs that settled a status."""

    @property
    def ocsp_responses(self) -> Sequence[bytes]:
        """The OCSP answers that settled a status, whole OCSPResponse each."""


class EvidenceSource(Protocol):
    """Finds what proves that a certificate was to be trusted."""

    def collect(
        self,
        certificate: bytes,
        *,
        purpose: Purpose,
        at: datetime,
        asked_at: datetime | None,
        carried: Carried,
    ) -> Evidence:
        """Find the evidence for a certificate at the time `at`.

        `asked_at` is the present, at which registries and servers may be asked; None: nobody may,
        what the document carries has to do.
        """
