"""Throw-away people with throw-away keys, and the tools that give a second opinion."""

import datetime as dt
import io
import subprocess
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, mldsa, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from pdf.embed import embed
from pdf.prepare import SignatureAlgorithm, SignatureOptions, SignerChain, prepare
from pdf.timestamps import TimestampSource

NOW = dt.datetime.now(dt.UTC).replace(microsecond=0)
CORPUS = Path(__file__).parents[2] / "../shared/corpus"
Key = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | mldsa.MLDSA65PrivateKey
)

HASHES = {"sha256": hashes.SHA256(), "sha384": hashes.SHA384(), "sha512": hashes.SHA512()}


@dataclass(frozen=True)
class Person:
    """Somebody with a key and a certificate under the throw-away root."""

    key: Key
    certificate: x509.Certificate
    issuers: tuple[x509.Certificate, ...]

    @property
    def chain(self) -> SignerChain:
        return SignerChain(
            self.certificate.public_bytes(Encoding.DER),
            tuple(issuer.public_bytes(Encoding.DER) for issuer in self.issuers),
        )


def certificate(
    common_name: str,
    key: Key,
    *,
    issuer: tuple[x509.Certificate, Key] | None = None,
    timestamping: bool = False,
) -> x509.Certificate:
    """Issue a certificate; without an issuer it signs itself and is an authority."""
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "VN"),
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Ủy ban nhân dân tỉnh Bình Phước"),
            x509.NameAttribute(NameOID.COMMON_NAME, common_name),
        ]
    )
    authority = issuer is None
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name if issuer is None else issuer[0].subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - dt.timedelta(days=30))
        .not_valid_after(NOW + dt.timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not authority,
                content_commitment=not authority and not timestamping,
                key_encipherment=False,
                data_encipherment=False,
                key_agreement=False,
                key_cert_sign=authority,
                crl_sign=authority,
                encipher_only=False,
                decipher_only=False,
            ),
            critical=True,
        )
    )
    if timestamping:
        usage = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.TIME_STAMPING])
        builder = builder.add_extension(usage, critical=True)
    signing = key if issuer is None else issuer[1]
    whole = isinstance(signing, ed25519.Ed25519PrivateKey | mldsa.MLDSA65PrivateKey)
    digest = None if whole else hashes.SHA256()
    return builder.sign(signing, digest)


@cache
def root() -> tuple[x509.Certificate, Key]:
    key = ec.generate_private_key(ec.SECP256R1())
    return certificate("Cơ quan chứng thực thử", key), key


@cache
def person(kind: str = "rsa", common_name: str = "Nguyễn Văn Trăm") -> Person:
    key: Key
    if kind == "rsa":
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    elif kind == "ecdsa":
        key = ec.generate_private_key(ec.SECP256R1())
    elif kind == "ecdsa-384":
        key = ec.generate_private_key(ec.SECP384R1())
    elif kind == "ml-dsa-65":
        key = mldsa.MLDSA65PrivateKey.generate()
    else:
        key = ed25519.Ed25519PrivateKey.generate()
    return Person(key, certificate(common_name, key, issuer=root()), (root()[0],))


def person_for(algorithm: SignatureAlgorithm) -> Person:
    scheme = algorithm.scheme
    return person("rsa" if scheme.startswith("rsa") else scheme)


def raw_signature(key: Key, algorithm: SignatureAlgorithm, data: bytes) -> bytes:
    """Sign as a token would."""
    digest = HASHES[algorithm.hash_algorithm]
    if isinstance(key, ed25519.Ed25519PrivateKey | mldsa.MLDSA65PrivateKey):
        return key.sign(data)
    if isinstance(key, ec.EllipticCurvePrivateKey):
        return key.sign(data, ec.ECDSA(digest))
    if algorithm.scheme == "rsa-pss":
        scheme = padding.PSS(mgf=padding.MGF1(digest), salt_length=digest.digest_size)
        return key.sign(data, scheme, digest)
    return key.sign(data, padding.PKCS1v15(), digest)


def sign(
    source: bytes,
    *,
    who: Person | None = None,
    algorithm: SignatureAlgorithm = SignatureAlgorithm.RSA_PKCS1_SHA256,
    timestamps: TimestampSource | None = None,
    **options: object,
) -> bytes:
    """Walk the three steps at once."""
    who = who or person_for(algorithm)
    staged = io.BytesIO()
    asked = SignatureOptions(**{"signing_time": NOW, **options})
    prepared = prepare(
        io.BytesIO(source), staged, options=asked, signer=who.chain, algorithm=algorithm
    )
    signature = raw_signature(who.key, algorithm, prepared.to_be_signed)
    embed(staged, prepared, signature=signature, signer=who.chain, timestamps=timestamps)
    return staged.getvalue()


@dataclass(frozen=True)
class Opinion:
    """What pdfsig says."""

    text: str

    @property
    def valid(self) -> int:
        return self.text.count("Signature is Valid.")

    @property
    def signatures(self) -> int:
        return self.text.count("Signature #")

    @property
    def whole(self) -> int:
        return self.text.count("Total document signed")


def pdfsig(path: Path, *, password: str = "") -> Opinion:
    unlock = ["-opw", password, "-upw", password] if password else []
    told = subprocess.run(
        ["pdfsig", "-nocert", *unlock, str(path)], capture_output=True, text=True, check=False
    )
    return Opinion(told.stdout + told.stderr)


def qpdf_check(path: Path, *, password: str = "") -> int:
    """Say how bad qpdf finds a file: 0 clean, 1 warnings, 2 errors."""
    told = subprocess.run(
        ["qpdf", f"--password={password}", "--check", str(path)], capture_output=True, check=False
    )
    # qpdf's own status is 3 for warnings
    return {0: 0, 3: 1}.get(told.returncode, 2)


def page_count(path: Path, *, password: str = "") -> int:
    told = subprocess.run(
        ["qpdf", f"--password={password}", "--show-npages", str(path)],
        capture_output=True,
        text=True,
        check=False,
    )
    return int(told.stdout)


def blank_pdf(
    pages: int = 1, *, media: str = "[0 0 595 842]", extra: str = "", catalog: str = ""
) -> bytes:
    """Write a small PDF with a cross-reference table; `extra` goes into every page."""
    kids = " ".join(f"{4 + number} 0 R" for number in range(pages))
    bodies = [
        f"<</Type/Catalog/Pages 2 0 R{catalog}>>",
        f"<</Type/Pages/Kids[{kids}]/Count {pages}>>",
        "<</Length 0>>stream\n\nendstream",
        *(
            f"<</Type/Page/Parent 2 0 R/MediaBox{media}/Contents 3 0 R{extra}>>"
            for _ in range(pages)
        ),
    ]
    return assemble(bodies)


def assemble(bodies: list[str], *, trailer: str = "") -> bytes:
    """Number the bodies from 1 and write them as a file with a cross-reference table."""
    out = bytearray(b"%PDF-1.7\n")
    offsets = []
    for number, body in enumerate(bodies, start=1):
        offsets.append(len(out))
        out += f"{number} 0 obj\n{body}\nendobj\n".encode()
    start = len(out)
    out += f"xref\n0 {len(bodies) + 1}\n0000000000 65535 f \n".encode()
    for offset in offsets:
        out += f"{offset:010d} 00000 n \n".encode()
    out += f"trailer\n<</Size {len(bodies) + 1}/Root 1 0 R{trailer}>>\n".encode()
    out += f"startxref\n{start}\n%%EOF\n".encode()
    return bytes(out)
