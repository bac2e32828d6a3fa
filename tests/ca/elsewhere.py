"""Another issuer for tests: its certificates, its CRL, and the lists that offices keep of them."""

import io
import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from tests.ca.house import AT, ec_key

BEGIN = AT - timedelta(days=400)
END = AT + timedelta(days=1000)


def name(**attributes: str) -> x509.Name:
    oids = {
        "c": NameOID.COUNTRY_NAME,
        "o": NameOID.ORGANIZATION_NAME,
        "ou": NameOID.ORGANIZATIONAL_UNIT_NAME,
        "uid": NameOID.USER_ID,
        "cn": NameOID.COMMON_NAME,
    }
    return x509.Name([x509.NameAttribute(oids[key], value) for key, value in attributes.items()])


@dataclass
class Elsewhere:
    """A CA of somebody else."""

    common_name: str = "Cơ quan chứng thực số Chính phủ (RootCA)"
    crl_url: str | None = None
    key: ec.EllipticCurvePrivateKey = field(default_factory=ec_key)

    def __post_init__(self) -> None:
        self.subject = name(c="VN", o="Ban Cơ yếu Chính phủ", cn=self.common_name)
        builder = self._builder(self.subject, self.key.public_key(), 1)
        constraints = x509.BasicConstraints(ca=True, path_length=None)
        self.certificate = builder.add_extension(constraints, critical=True).sign(
            self.key, hashes.SHA256()
        )

    def issue(
        self,
        serial: int,
        cn: str = "Nguyễn Thị Đức",
        *,
        o: str = "Sở Nội vụ",
        not_after: datetime = END,
        **more: str,
    ) -> x509.Certificate:
        subject = name(c="VN", o=o, **more, cn=cn)
        builder = self._builder(subject, ec_key().public_key(), serial, not_after)
        if self.crl_url is not None:
            point = x509.DistributionPoint(
                [x509.UniformResourceIdentifier(self.crl_url)], None, None, None
            )
            builder = builder.add_extension(x509.CRLDistributionPoints([point]), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def crl(
        self,
        revoked: Iterable[tuple[int, datetime, x509.ReasonFlags]] = (),
        *,
        at: datetime = AT,
        key: ec.EllipticCurvePrivateKey | None = None,
    ) -> bytes:
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.subject)
        builder = builder.last_update(at).next_update(at + timedelta(days=7))
        for serial, moment, reason in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(serial).revocation_date(moment)
            entry = entry.add_extension(x509.CRLReason(reason), critical=False)
            builder = builder.add_revoked_certificate(entry.build())
        return builder.sign(key or self.key, hashes.SHA256()).public_bytes(Encoding.DER)

    def _builder(
        self,
        subject: x509.Name,
        key: ec.EllipticCurvePublicKey,
        serial: int,
        not_after: datetime = END,
    ) -> x509.CertificateBuilder:
        builder = x509.CertificateBuilder().subject_name(subject).issuer_name(self.subject)
        builder = builder.public_key(key).serial_number(serial)
        return builder.not_valid_before(BEGIN).not_valid_after(not_after)


def der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(one.public_bytes(Encoding.PEM) for one in certificates)


def archive(files: dict[str, bytes]) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as made:
        for path, content in files.items():
            made.writestr(path, content)
    return out.getvalue()


HEADER = ["STT", "Số serial", "Họ và tên", "Đơn vị", "Ngày hiệu lực", "Ngày hết hạn", "Trạng thái"]


def table(rows: Iterable[Sequence[str]], *, header: Sequence[str] = HEADER, by: str = ",") -> bytes:
    lines = [by.join(header), *(by.join(row) for row in rows)]
    return "\r\n".join(lines).encode("utf-8-sig")


def workbook(rows: Sequence[Sequence[str | int | float]], *, dates: Sequence[int] = ()) -> bytes:
    """Write a workbook as spreadsheets do: shared texts, numbers, and columns shown as dates."""
    strings: list[str] = []
    lines = []
    for number, row in enumerate(rows, start=1):
        cells = []
        for place, value in enumerate(row):
            reference = f"{chr(ord('A') + place)}{number}"
            if isinstance(value, str):
                cells.append(f'<c r="{reference}" t="s"><v>{len(strings)}</v></c>')
                strings.append(value)
            else:
                style = ' s="1"' if place in dates else ""
                cells.append(f'<c r="{reference}"{style}><v>{value}</v></c>')
        lines.append(f'<row r="{number}">{"".join(cells)}</row>')
    main = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
    office = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    texts = "".join(f"<si><t>{text}</t></si>" for text in strings)
    files = {
        "xl/workbook.xml": f'<workbook {main} xmlns:r="{office}"><sheets>'
        '<sheet name="DS" sheetId="1" r:id="rId1"/></sheets></workbook>',
        "xl/_rels/workbook.xml.rels": "<Relationships><Relationship Id='rId1' "
        "Target='worksheets/sheet1.xml'/></Relationships>",
        "xl/worksheets/sheet1.xml": f"<worksheet {main}><sheetData>{''.join(lines)}</sheetData>"
        "</worksheet>",
        "xl/sharedStrings.xml": f"<sst {main}>{texts}</sst>",
        "xl/styles.xml": f'<styleSheet {main}><cellXfs count="2"><xf numFmtId="0"/>'
        '<xf numFmtId="14"/></cellXfs></styleSheet>',
    }
    return archive({path: content.encode() for path, content in files.items()})
