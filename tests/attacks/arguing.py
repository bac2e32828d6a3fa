"""When a damaged file still has a valid signature, the reason must be in its bytes.

A signature is argued for when it signs exactly the bytes that one of the honest files signed, by
the same certificate, and what stands behind the signed bytes shows a reader nothing else. Whatever
cannot be argued so is a forgery that we let through, until somebody has looked at it.
"""

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from io import BytesIO

from pdf import decryption
from pdf.document import Document
from pdf.errors import EncryptedPdf, PageUndrawable
from pdf.examined import Examined
from pdf.pdfium import READER
from pdf.report import DocumentReport, Indication
from pdf.signature_fields import find_signatures
from pdf.verify import _examine, verify
from tests.attacks.mutating import Source
from tests.pdf.signing_kit import NOW
from tests.pdf.verifying_kit import Verdict

MOST_PAGES = 8
_WHOLE = "the whole file is as signed"
_REFUSED = "its bytes are as signed, and the file as a whole is refused"
_UNKNOWN = Verdict(trusted=False, sub_indication="NO_CERTIFICATE_CHAIN_FOUND")


@dataclass
class HonestCertificates:
    """Trusts the very certificates that honest files were signed with, as their issuers would."""

    known: set[bytes] = field(default_factory=set)
    learning: bool = True

    def validate(self, certificate: bytes, **_: object) -> Verdict:
        if self.learning:
            self.known.add(certificate)
        return Verdict(trusted=True) if certificate in self.known else _UNKNOWN


@dataclass(frozen=True)
class Signed:
    """A signature of an honest file: the file, who signed, whether it passed."""

    source: Source
    signer: bytes | None
    passed: bool


@dataclass
class Honest:
    """Everything known about the honest files before any is damaged."""

    sources: Sequence[Source]
    validator: HonestCertificates = field(default_factory=HonestCertificates)
    signed: dict[bytes, list[Signed]] = field(default_factory=dict)
    reports: dict[str, DocumentReport] = field(default_factory=dict)
    _shown: dict[bytes, tuple[bytes, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for source in self.sources:
            report = self.reports[source.name] = self.report(source.data)
            for item, said in zip(_examined(source.data), report.signatures, strict=False):
                if item.intact:
                    passed = said.indication is Indication.TOTAL_PASSED
                    known = Signed(source, _signer(item), passed)
                    self.signed.setdefault(_covered(source.data, item), []).append(known)
        self.validator.learning = False

    def report(self, data: bytes) -> DocumentReport:
        return verify(BytesIO(data), name="m.pdf", at=NOW, checked_at=NOW, validator=self.validator)

    def grounds(self, data: bytes, report: DocumentReport) -> list[str | None]:
        """Say for each passed signature why it may pass; None where nothing says so."""
        examined = _examined(data)
        passed = [
            item
            for item, said in zip(examined, report.signatures, strict=True)
            if said.indication is Indication.TOTAL_PASSED
        ]
        if any(self._known(data, item) and item.byte_range.end == len(data) for item in passed):
            # Everything else stands before a signed end, in bytes that were signed just so.
            return [_WHOLE if self._known(data, item) else None for item in passed]
        if report.indication is not Indication.TOTAL_PASSED:
            # The file is refused; what remains to be asked is whether this signature is real.
            return [_REFUSED if self._known(data, item) else None for item in passed]
        return [self._ground(data, item) for item in passed]

    def _known(self, data: bytes, item: Examined) -> list[Signed]:
        found = self.signed.get(_covered(data, item), [])
        return [known for known in found if known.signer == _signer(item)]

    def _ground(self, data: bytes, item: Examined) -> str | None:
        known = self._known(data, item)
        end = item.byte_range.end
        if not known:
            return None
        passed = [signed.source.data for signed in known if signed.passed]
        if any(data[end:] == source[end:] for source in passed):
            return "only the space of the signature differs"
        shown = self.shown(data)
        if shown == self.shown(data[:end]):
            return "what is shown is what was signed"
        if any(shown == self.shown(source) for source in passed):
            return "what is shown is what the honest file shows"
        return None

    def shown(self, data: bytes) -> tuple[bytes, ...]:
        """Draw the first pages and give a fingerprint of each."""
        key = sha256(data).digest()
        if key not in self._shown:
            self._shown[key] = tuple(_pages(data))
        return self._shown[key]


def _pages(data: bytes) -> list[bytes]:
    drawn = []
    for page in range(1, MOST_PAGES + 1):
        try:
            answer = READER.ask_for_data(BytesIO(data), {"do": "draw", "page": page, "dpi": 36})
        except PageUndrawable:
            break
        drawn.append(sha256(answer.data).digest())
    return drawn


def _examined(data: bytes) -> list[Examined]:
    """The signatures of a file in the order of its report."""
    try:
        document = Document(data)
    except Exception:  # noqa: BLE001 (files that are no PDF are among the honest ones, too)
        return []
    if "Encrypt" in document.latest.trailer:
        with contextlib.suppress(EncryptedPdf):
            decryption.unlock(document, None)
    examined = [_examine(document, found) for found in find_signatures(document)]
    return sorted(examined, key=lambda item: (not item.found.reachable, item.byte_range.end))


def _covered(data: bytes, item: Examined) -> bytes:
    return sha256(b"".join(data[a : a + n] for a, n in item.byte_range.ranges)).digest()


def _signer(item: Examined) -> bytes | None:
    return item.facts.signer.encoded if item.facts.signer is not None else None
