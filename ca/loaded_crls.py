"""CRLs taken apart, and kept while they fit: a large one is read once for many certificates.

A list of a hundred thousand entries has five megabytes. What is signed is cut out of the bytes as
they came. Of a large list the entries are not read: a serial number whose octets do not occur in
the bytes is not on it, however it is written; where they occur, the whole list is read. With an
index (`ca.serial_index`) neither is needed.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from cryptography import x509
from cryptography.x509.oid import ExtensionOID

from ca import der, signature_checks
from ca.certificate_fields import canonical_name
from ca.crl_frame import frame_of
from ca.parsed_certificates import UNREADABLE

if TYPE_CHECKING:
    from datetime import datetime

    from ca.certificate_fields import CanonicalName
    from ca.crl_frame import CrlFrame
    from ca.parsed_certificates import ParsedCertificate
    from ca.serial_index import SerialIndex, SerialIndexes
    from ca.signature_checks import SignedBytes

MAX_CRL_BYTES: Final = 128 * 1024 * 1024
"""About 2.5 million entries; the largest public ones have a few MB."""
KEPT_BYTES: Final = 64 * 1024 * 1024
"""Lists kept by a process, counted as they came; taken apart they need about twice that."""
LARGE_BYTES: Final = 256 * 1024
"""From here on entries are read only where they must be; below, reading all takes under 1 ms."""
_KEPT_SERIALS: Final = 10_000
_TELLING_OCTETS: Final = 4
"""Shorter numbers occur in any large list by chance, and may be written with zeros before them."""

_UNDERSTOOD: Final = frozenset(
    {
        ExtensionOID.AUTHORITY_KEY_IDENTIFIER,
        ExtensionOID.CRL_NUMBER,
        ExtensionOID.DELTA_CRL_INDICATOR,
        ExtensionOID.ISSUING_DISTRIBUTION_POINT,
    }
)


@dataclass(eq=False, slots=True)
class LoadedCrl:
    """A CRL taken apart; `signers` remembers which keys were found to have signed it.

    `crl` has the entries only where there is no `frame`.
    """

    crl: x509.CertificateRevocationList
    data: bytes
    signed: SignedBytes | None
    """None for an algorithm that is not known."""
    issuer: CanonicalName
    scope: x509.IssuingDistributionPoint | None
    number: int | None
    base_number: int | None
    """Set for a delta CRL: the number of the complete CRL that it starts from."""
    usable: bool
    frame: CrlFrame | None = None
    """Of a large list, whose entries were not read."""
    index: SerialIndex | None = None
    signers: dict[bytes, bool] = field(default_factory=dict)
    _whole: x509.CertificateRevocationList | None = None
    _entries: dict[int, x509.RevokedCertificate | None] = field(default_factory=dict)

    @property
    def indirect(self) -> bool:
        """Whether it may list certificates of other issuers."""
        return self.scope is not None and self.scope.indirect_crl

    def fresh(self, at: datetime) -> bool:
        """Say whether it speaks for that time: issued later, or not past its nextUpdate."""
        next_update = self.crl.next_update_utc
        return self.crl.last_update_utc >= at or (next_update is not None and at <= next_update)

    def signed_by(self, signer: ParsedCertificate) -> bool:
        """Say whether the signer's key made the signature; computed once for each key."""
        known = self.signers.get(signer.key_bytes)
        if known is None:
            known = self.signed is not None and signature_checks.is_signed_by(
                self.signed, signer.public_key
            )
            self.signers[signer.key_bytes] = known
        return known

    def whole(self) -> x509.CertificateRevocationList:
        """Give the list with its entries; ValueError where a large one cannot be read after all."""
        if self.frame is None:
            return self.crl
        if self._whole is None:
            self._whole = x509.load_der_x509_crl(self.data)
        return self._whole

    def entry(self, serial: int) -> x509.RevokedCertificate | None:
        """Find the first entry of a positive serial number; ValueError as `whole`."""
        try:
            return self._entries[serial]
        except KeyError:
            found = self._find(serial)
        if len(self._entries) >= _KEPT_SERIALS:
            self._entries.clear()
        self._entries[serial] = found
        return found

    def _find(self, serial: int) -> x509.RevokedCertificate | None:
        places = self.index.places(serial) if self.index is not None else None
        if self.frame is not None and places is not None:
            return _entry_at(self.data, self.frame, places, serial)
        octets = serial.to_bytes((serial.bit_length() + 7) // 8, "big")
        if len(octets) < _TELLING_OCTETS:
            self.whole()  # in a list that can be read, a number is written in one way
            octets = der.integer(serial)
        if octets not in self.data:
            return None
        return self.whole().get_revoked_certificate_by_serial_number(serial)


def _entry_at(
    data: bytes, frame: CrlFrame, places: tuple[int, ...], serial: int
) -> x509.RevokedCertificate | None:
    for place in places:
        element, _ = der.read(data, place)
        number, _ = der.read(element.content)
        if der.read_integer(number) == serial:
            return frame.holding(element.encoded)[0]
    return None


def load(data: bytes) -> LoadedCrl | None:
    """Read a DER CRL; None for what is none, since evidence comes from anybody."""
    if len(data) > MAX_CRL_BYTES:
        return None
    try:
        parts = der.signed_parts(data)
        frame = frame_of(data, parts) if len(data) > LARGE_BYTES else None
        crl = x509.load_der_x509_crl(data) if frame is None else frame.holding(b"")
        return _taken_apart(data, parts, crl, frame)
    except UNREADABLE:
        return None


def _taken_apart(
    data: bytes,
    parts: tuple[der.Element, der.Element, der.Element],
    crl: x509.CertificateRevocationList,
    frame: CrlFrame | None,
) -> LoadedCrl | None:
    content, algorithm, signature = parts
    extensions = {found.oid: found for found in crl.extensions}
    scope = extensions.get(ExtensionOID.ISSUING_DISTRIBUTION_POINT)
    number = extensions.get(ExtensionOID.CRL_NUMBER)
    delta = extensions.get(ExtensionOID.DELTA_CRL_INDICATOR)
    unknown = [
        found for found in extensions.values() if found.critical and found.oid not in _UNDERSTOOD
    ]
    inner, issuer = _head_of(content)
    if not der.same_algorithm(inner, algorithm):
        return None
    start = len(data) - sum(len(part.encoded) for part in (content, algorithm, signature))
    to_be_signed = memoryview(data)[start : start + len(content.encoded)]
    return LoadedCrl(
        crl=crl,
        data=data,
        signed=_signed(crl, to_be_signed),
        issuer=canonical_name(issuer.encoded),
        scope=scope.value
        if scope and isinstance(scope.value, x509.IssuingDistributionPoint)
        else None,
        number=getattr(number.value, "crl_number", None) if number else None,
        base_number=getattr(delta.value, "crl_number", None) if delta else None,
        usable=not unknown,
        frame=frame,
    )


def _signed(
    crl: x509.CertificateRevocationList, to_be_signed: memoryview[int]
) -> SignedBytes | None:
    try:
        return signature_checks.of_crl(crl, to_be_signed)
    except ValueError:
        return None


def _head_of(to_be_signed: der.Element) -> tuple[der.Element, der.Element]:
    """Take algorithm and issuer from TBSCertList: version OPTIONAL, signature, issuer."""
    content = to_be_signed.content
    element, offset = der.read(content)
    if element.tag == der.INTEGER:
        element, offset = der.read(content, offset)
    return element, der.read(content, offset)[0]


class KeptCrls:
    """Reads CRLs and keeps those read last; threads share it."""

    def __init__(self, most_bytes: int = KEPT_BYTES) -> None:
        self._most = most_bytes
        self._size = 0
        self._lock = threading.Lock()
        self._kept: OrderedDict[bytes, LoadedCrl] = OrderedDict()

    def load(self, data: bytes, *, indexes: SerialIndexes | None = None) -> LoadedCrl | None:
        """Read a CRL as `load` does, or give the one read before; with its index where one is."""
        with self._lock:
            known = self._kept.get(data)
            if known is not None:
                self._kept.move_to_end(data)
        loaded = known or load(data)
        if loaded is not None and loaded.frame is not None and loaded.index is None and indexes:
            loaded.index = indexes.find(data)
        if known is None and loaded is not None and len(data) <= self._most:
            self._keep(data, loaded)
        return loaded

    def _keep(self, data: bytes, loaded: LoadedCrl) -> None:
        with self._lock:
            if self._kept.setdefault(data, loaded) is loaded:
                self._size += len(data)
            while self._size > self._most:
                oldest, _ = self._kept.popitem(last=False)
                self._size -= len(oldest)


KEPT: Final = KeptCrls()
"""Of this process. What a list says depends on its bytes alone, so everybody may share it."""
