"""Validators for tests, and incremental updates written by hand, as an attacker would."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from io import BytesIO

from asn1crypto import cms, core, tsp
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding

from pdf.document import Document
from pdf.report import DocumentReport, SignatureReport
from pdf.verify import verify
from tests.pdf.signing_kit import NOW, certificate, root


@dataclass(frozen=True)
class Status:
    status: str = "GOOD"
    source: str | None = "test"
    this_update: datetime | None = None
    revoked_at: datetime | None = None
    reason: str | None = None


@dataclass(frozen=True)
class Verdict:
    trusted: bool
    sub_indication: str | None = None
    chain: tuple[bytes, ...] = ()
    revocation: Status = field(default_factory=Status)
    messages: tuple[str, ...] = ()


@dataclass
class FixedValidator:
    """Gives one verdict for each purpose and remembers what it was asked."""

    signing: Verdict = Verdict(trusted=True)
    timestamping: Verdict = Verdict(trusted=True)
    asked: list[tuple[str, datetime]] = field(default_factory=list)

    def validate(
        self,
        certificate: bytes,  # noqa: ARG002 (a fixed verdict looks at nothing)
        *,
        purpose: str,
        at: datetime,
        others: Sequence[bytes],  # noqa: ARG002 (as above)
        crls: Sequence[bytes],  # noqa: ARG002 (as above)
        ocsp_responses: Sequence[bytes],  # noqa: ARG002 (as above)
    ) -> Verdict:
        self.asked.append((purpose, at))
        return self.signing if purpose == "signing" else self.timestamping


TRUST_ALL = FixedValidator()
TRUST_NOTHING = FixedValidator(
    signing=Verdict(
        trusted=False,
        sub_indication="NO_CERTIFICATE_CHAIN_FOUND",
        revocation=Status(status="NOT_CHECKED", source=None),
    ),
    timestamping=Verdict(
        trusted=False,
        sub_indication="NO_CERTIFICATE_CHAIN_FOUND",
        revocation=Status(status="NOT_CHECKED", source=None),
    ),
)


def check(
    data: bytes, *, validator: FixedValidator = TRUST_ALL, at: datetime = NOW, **options: str
) -> DocumentReport:
    return verify(
        BytesIO(data),
        name="test.pdf",
        at=at,
        checked_at=NOW,
        validator=validator,
        password=options.get("password"),
    )


def only(report: DocumentReport) -> SignatureReport:
    assert len(report.signatures) == 1, [s.field_name for s in report.signatures]
    return report.signatures[0]


def whats(signature: SignatureReport) -> set[str]:
    return {change.what for change in signature.integrity.changes}


def free_number(data: bytes) -> int:
    """The first object number that no revision uses."""
    return max(Document(data).latest.entries) + 1


def append(
    data: bytes,
    objects: Mapping[int, str | bytes],
    *,
    freed: Sequence[int] = (),
    places: Mapping[int, int] | None = None,
    root: int | None = None,
) -> bytes:
    """Append a well-formed revision with these objects, freed numbers and redirected places."""
    document = Document(data)
    latest = document.latest
    out = bytearray(data if data.endswith(b"\n") else data + b"\n")
    offsets: dict[int, int] = dict(places or {})
    for number, body in objects.items():
        offsets[number] = len(out)
        out += f"{number} 0 obj\n".encode()
        out += body.encode("utf-8") if isinstance(body, str) else body
        out += b"\nendobj\n"
    start = len(out)
    out += b"xref\n"
    rows = {number: f"{offset:010d} 00000 n \n" for number, offset in offsets.items()}
    rows |= dict.fromkeys(freed, "0000000000 00001 f \n")
    for number in sorted(rows):
        out += f"{number} 1\n{rows[number]}".encode()
    ref = latest.trailer["Root"]
    size = max([*latest.entries, *rows]) + 1
    number = root or ref.number
    out += (
        f"trailer\n<</Size {size}/Root {number} 0 R/Prev {latest.sections[0].offset}>>\n".encode()
    )
    out += f"startxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


def source(data: bytes, number: int) -> bytes:
    """The text of an object's value in the newest revision."""
    view = Document(data).latest
    extent = view.extent(number)
    assert extent is not None
    text = data[extent[0] : extent[1]]
    return text[text.index(b"obj") + 3 : text.rindex(b"endobj")].strip()


def stream(content: bytes, entries: str = "") -> bytes:
    return f"<<{entries}/Length {len(content)}>>\nstream\n".encode() + content + b"\nendstream"


def letter(
    *,
    text: str = "Nghi quyet: cap 100 trieu dong",
    catalog: str = "",
    page: str = "",
    more: Sequence[str | bytes] = (),
) -> bytes:
    """A one-page letter: 1 catalogue, 2 pages, 3 content, 4 page, 5 font, 6.. `more`."""
    content = f"BT /F1 12 Tf 72 700 Td ({text}) Tj ET".encode()
    bodies: list[str | bytes] = [
        f"<</Type/Catalog/Pages 2 0 R{catalog}>>",
        "<</Type/Pages/Kids[4 0 R]/Count 1>>",
        stream(content),
        (
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 3 0 R"
            f"/Resources<</Font<</F1 5 0 R>>>>{page}>>"
        ),
        "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        *more,
    ]
    out = bytearray(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(bodies, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n".encode()
        out += body.encode() if isinstance(body, str) else body
        out += b"\nendobj\n"
    start = len(out)
    out += f"xref\n0 {len(bodies) + 1}\n0000000000 65535 f \n".encode()
    for offset in offsets:
        out += f"{offset:010d} 00000 n \n".encode()
    out += f"trailer\n<</Size {len(bodies) + 1}/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n".encode()
    return bytes(out)


class LocalTimestamps:
    """A time-stamp authority in the test: tokens of RFC 3161 at a time of the test's choice."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def timestamp(self, digest: bytes, hash_algorithm: str) -> bytes:
        key, certificate = stamping_key()
        name = {"algorithm": hash_algorithm}
        info = tsp.TSTInfo(
            {
                "version": 1,
                "policy": "1.2.3.4",
                "message_imprint": {"hash_algorithm": name, "hashed_message": digest},
                "serial_number": 1,
                "gen_time": self.at,
            }
        ).dump()
        known = asn1_x509.Certificate.load(certificate)
        reference = tsp.ESSCertIDv2({"cert_hash": hashlib.sha256(certificate).digest()})
        attributes = cms.CMSAttributes(
            [
                {"type": "content_type", "values": ["tst_info"]},
                {"type": "message_digest", "values": [hashlib.sha256(info).digest()]},
                {"type": "signing_certificate_v2", "values": [{"certs": [reference]}]},
            ]
        )
        identity = cms.IssuerAndSerialNumber(
            {"issuer": known.issuer, "serial_number": known.serial_number}
        )
        signer = cms.SignerInfo(
            {
                "version": "v1",
                "sid": cms.SignerIdentifier({"issuer_and_serial_number": identity}),
                "digest_algorithm": {"algorithm": "sha256"},
                "signature_algorithm": {"algorithm": "sha256_ecdsa"},
                "signed_attrs": attributes,
                "signature": key.sign(attributes.dump(), ec.ECDSA(hashes.SHA256())),
            }
        )
        content = {"content_type": "tst_info", "content": core.ParsableOctetString(info)}
        data = cms.SignedData(
            {
                "version": "v3",
                "digest_algorithms": [{"algorithm": "sha256"}],
                "encap_content_info": content,
                "certificates": [known],
                "signer_infos": [signer],
            }
        )
        return bytes(cms.ContentInfo({"content_type": "signed_data", "content": data}).dump())


@cache
def stamping_key() -> tuple[ec.EllipticCurvePrivateKey, bytes]:
    key = ec.generate_private_key(ec.SECP256R1())
    issued = certificate("Dấu thời gian thử", key, issuer=root(), timestamping=True)
    return key, issued.public_bytes(Encoding.DER)
