"""A server in this process for tests of the doors: real database, keys in files, two people."""

import io
from dataclasses import dataclass, field
from typing import Any, TypedDict, Unpack

import httpx
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from api import tokens
from api.models import Role
from api.permissions import Binding
from api.wiring import Wiring
from hsm.secret import Secret

ADMINISTRATOR = "first-administrator-of-the-tests"
Json = dict[str, Any]


class Sending(TypedDict, total=False):
    """What a request may be sent with, as httpx takes it."""

    json: object
    content: object
    data: object
    files: object
    params: object
    headers: dict[str, str]


def empty_pdf(*, pages: int = 1) -> bytes:
    """Write a small PDF with empty pages."""
    kids = " ".join(f"{4 + n} 0 R" for n in range(pages))
    objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        f"<</Type/Pages/Kids[{kids}]/Count {pages}>>",
        "<<>>",
        *["<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Resources<<>>>>"] * pages,
    ]
    out = io.BytesIO()
    out.write(b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, text in enumerate(objects, start=1):
        offsets.append(out.tell())
        out.write(f"{number} 0 obj\n{text}\nendobj\n".encode())
    start = out.tell()
    out.write(f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode())
    for offset in offsets:
        out.write(f"{offset:010d} 00000 n \n".encode())
    out.write(f"trailer\n<</Size {len(objects) + 1}/Root 1 0 R>>\n".encode())
    out.write(f"startxref\n{start}\n%%EOF\n".encode())
    return out.getvalue()


def csr_pem(key: ec.EllipticCurvePrivateKey) -> str:
    """Prove possession of a key."""
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "khóa của người giữ")])
    request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
    return request.public_bytes(Encoding.PEM).decode()


@dataclass
class Office:
    """The server, and what the tests do in it most."""

    wiring: Wiring
    http: httpx.Client
    second_token: str = ""
    _numbers: list[int] = field(default_factory=lambda: [0])

    def call(
        self, method: str, path: str, *, token: str = ADMINISTRATOR, **more: Unpack[Sending]
    ) -> httpx.Response:
        """Send a request to /api/v1 with a token; the answer as it is."""
        headers = {"Authorization": f"Bearer {token}", **more.pop("headers", {})}
        return self.http.request(method, f"/api/v1{path}", headers=headers, **more)

    def made(self, path: str, body: Json, *, token: str = ADMINISTRATOR) -> Json:
        """POST and expect success."""
        answer = self.call("POST", path, token=token, json=body)
        assert answer.is_success, answer.text
        return dict(answer.json())

    def token(self, *bindings: tuple[Role, str | None]) -> str:
        """Make a token with roles for organisations."""
        roles = [{"role": role, "organization_id": where} for role, where in bindings]
        return str(self.made("/api-tokens", {"name": "thử", "roles": roles})["token"])

    def second(self) -> str:
        """Return the token of another administrator."""
        if not self.second_token:
            self.second_token = self.token((Role.ADMINISTRATOR, None))
        return self.second_token

    def organization(self, *, parent: str | None = None, name: str = "Sở Nội vụ") -> Json:
        """Add a unit."""
        self._numbers[0] += 1
        code = f"000.00.{self._numbers[0]:02d}.H10"
        return self.made("/organizations", {"code": code, "name": name, "parent_id": parent})

    def subscriber(self, organization: Json, name: str = "Nguyễn Văn Đức") -> Json:
        """Add a person."""
        body = {"organization_id": organization["id"], "full_name": name, "post": "Chuyên viên"}
        return self.made("/subscribers", body)

    def request(self, *, organization: Json | None = None, csr: str | None = None) -> Json:
        """Ask for a personal certificate, with a CSR or a key made here."""
        person = self.subscriber(organization or self.organization())
        key = {"csr": csr} if csr else {"key_algorithm": "p-256"}
        return self.made("/certificate-requests", {"subscriber_id": person["id"], **key})

    def certificate(self, *, organization: Json | None = None, csr: str | None = None) -> Json:
        """Have a certificate issued, by two people."""
        request = self.request(organization=organization, csr=csr)
        path = f"/certificate-requests/{request['id']}/approve"
        return dict(self.made(path, {}, token=self.second())["certificate"])

    def sign(
        self, pdf: bytes, *, key: str | None = None, token: str = ADMINISTRATOR, **options: object
    ) -> httpx.Response:
        """POST a raw PDF to be signed."""
        headers = {"Content-Type": "application/pdf"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return self.call("POST", "/sign", token=token, content=pdf, params=options, headers=headers)

    def verify(self, pdf: bytes) -> Json:
        """POST a raw PDF to be verified."""
        headers = {"Content-Type": "application/pdf"}
        answer = self.call("POST", "/verify", content=pdf, headers=headers)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def first_administrator(wiring: Wiring) -> None:
    """Make the token that the tests call with."""
    new = tokens.NewToken(
        name="quản trị viên",
        bindings=(Binding(Role.ADMINISTRATOR, None),),
        secret=Secret(ADMINISTRATOR),
    )
    with wiring.sessions.begin() as session:
        tokens.create(session, new, at=wiring.clock(), actor="test")
