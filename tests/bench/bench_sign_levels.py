"""What time-stamps and long-term evidence cost, beside their RSA operations and beside pyHanko.

Signer and time-stamp authority have RSA-2048 keys and are in this process; evidence is warm. The
limit of a level is the hash of the file and the RSA operations that nobody can avoid: one for B-B,
two for B-T and B-LT, three for B-LTA.
"""

import datetime as dt
import hashlib
import io
import logging
import shutil
import tempfile
from collections.abc import Callable, Iterable
from pathlib import Path

from asn1crypto import keys as asn1_keys
from asn1crypto import ocsp as asn1_ocsp
from asn1crypto import tsp
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko.sign.timestamps import DummyTimeStamper
from pyhanko_certvalidator import ValidationContext
from pyhanko_certvalidator.registry import SimpleCertificateStore

from ca.authority_signers import AuthoritySigner
from ca.tsa import TimeStampAuthority
from hsm.algorithms import default_for
from pdf.embed import embed
from pdf.extend import ExtensionOptions, extend, extend_in_place
from pdf.options import Level
from pdf.prepare import SignatureOptions, prepare
from pdf.tokens import request_for
from tests.bench.bench_sign import RSA, cpu_ms, document, raw
from tests.bench.row import Row
from tests.ca.hierarchy import Entity
from tests.pdf.archive_kit import AT, TSA_EXTENSIONS, YEAR, Province
from tests.pdf.signing_kit import raw_signature

OPERATIONS = {Level.B_T: 2, Level.B_LT: 2, Level.B_LTA: 3}
GOALS = {Level.B_T: 0.3, Level.B_LT: 0.15, Level.B_LTA: 0.18}


class Bench:
    """One signer, one authority, and evidence that was asked for before."""

    def __init__(self) -> None:
        self.province = Province(address="http://127.0.0.1:9/ocsp")
        self.province.tsa = self.province.issuing.issue(
            "Dấu thời gian",
            extensions=(*TSA_EXTENSIONS, *self.province.asked_at),
            key=rsa.generate_private_key(65537, 2048),
            validity=(AT - YEAR, AT + 10 * YEAR),
        )
        self.stamps = self.province.stamps()
        self.evidence = self.province.evidence()
        self.chain = self.province.chain

    def options(self, level: Level) -> ExtensionOptions:
        return ExtensionOptions(level=level, at=AT, timestamps=self.stamps, evidence=self.evidence)

    def sign(self, source: bytes, level: Level) -> bytes:
        staged = io.BytesIO()
        # the reserved room fits the authority, as an installation knows its own
        wanted = SignatureOptions(signing_time=AT, level=level, timestamp_size=4096)
        prepared = prepare(
            io.BytesIO(source), staged, options=wanted, signer=self.chain, algorithm=RSA
        )
        signature = raw_signature(self.province.signer.key, RSA, prepared.to_be_signed)
        made = embed(
            staged, prepared, signature=signature, signer=self.chain, timestamps=self.stamps
        )
        if level.reaches(Level.B_LT):
            extend_in_place(staged, self.options(level), prefix=made.prefix)
        return staged.getvalue()


def limit(source: bytes, operations: int) -> Callable[[], object]:
    """Hash the file once, and do the RSA operations."""

    def work() -> None:
        digest = hashlib.sha256(source).digest()
        for _ in range(operations):
            raw(digest)

    return work


def pyhanko(bench: Bench, source: bytes, level: Level) -> Callable[[], object]:
    """Sign with pyHanko, its time-stamper in process too, its evidence known and not fetched."""
    province = bench.province
    registry = SimpleCertificateStore()
    registry.register_multiple([asn1_x509.Certificate.load(each) for each in bench.chain.others])
    signer = signers.SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(province.signer.der),
        signing_key=_key(province.signer),
        cert_registry=registry,
    )
    stamper = DummyTimeStamper(
        tsa_cert=asn1_x509.Certificate.load(province.tsa.der),
        tsa_key=_key(province.tsa),
        certs_to_embed=registry,
    )
    validity = {"this_update": AT - dt.timedelta(minutes=5), "next_update": AT + YEAR}
    answers = [
        asn1_ocsp.OCSPResponse.load(
            issuer.ocsp(target, responder=province.responders[issuer.der], **validity)
        )
        for issuer, target in (
            (province.issuing, province.signer),
            (province.issuing, province.tsa),
            (province.root, province.issuing),
        )
    ]
    known = ValidationContext(
        trust_roots=[asn1_x509.Certificate.load(province.root.der)],
        ocsps=answers,
        allow_fetching=False,
        revocation_mode="require",
    )
    long_term = level.reaches(Level.B_LT)
    meta = signers.PdfSignatureMetadata(
        field_name="Signature1",
        md_algorithm="sha256",
        subfilter=SigSeedSubFilter.PADES,
        embed_validation_info=long_term,
        use_pades_lta=level is Level.B_LTA,
        validation_context=known if long_term else None,
    )

    def work() -> None:
        writer = IncrementalPdfFileWriter(io.BytesIO(source))
        signers.PdfSigner(meta, signer, timestamper=stamper).sign_pdf(writer)

    return work


def _key(entity: Entity) -> asn1_keys.PrivateKeyInfo:
    encoded = entity.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    return asn1_keys.PrivateKeyInfo.load(encoded)


def rows() -> Iterable[Row]:
    """Measure each level, a time-stamp reply, an extension, and a large file."""
    # that nothing is fetched is what is wanted here
    logging.getLogger("pyhanko").setLevel(logging.ERROR)
    bench = Bench()
    small = document(50_000)
    for level, operations in OPERATIONS.items():
        value = cpu_ms(lambda level=level: bench.sign(small, level), count=60)  # type: ignore[misc]
        name = f"sign.{level.lower()}.50kB"
        floor = cpu_ms(limit(small, operations), count=100)
        yield Row(
            name=name,
            value=value,
            unit="ms_cpu",
            reference_name=f"SHA-256 of the file + {operations} RSA-2048 signatures",
            reference_value=floor,
            goal=GOALS[level],
        )
        yield Row(
            name=f"{name}.peer",
            value=value,
            unit="ms_cpu",
            reference_name="pyHanko as shipped, time-stamper in process, evidence known",
            reference_value=cpu_ms(pyhanko(bench, small, level), count=3),
            goal=8.0,
        )
    yield from replies(bench)
    signed = bench.sign(small, Level.B_T)
    yield Row(
        name="sign.extend.b-t-to-b-lta",
        value=cpu_ms(
            lambda: extend(io.BytesIO(signed), io.BytesIO(), bench.options(Level.B_LTA)), count=60
        ),
        unit="ms_cpu",
        reference_name="SHA-256 of the file + 1 RSA-2048 signature",
        reference_value=cpu_ms(limit(signed, 1), count=100),
    )
    yield from large_file(bench)


def replies(bench: Bench) -> Iterable[Row]:
    """Measure one time-stamp reply, from request bytes to response bytes."""
    tsa = bench.province.tsa
    authority = TimeStampAuthority(
        AuthoritySigner(tsa.cert, tsa.der, tsa.key, default_for(tsa.key.public_key())),
        others=bench.chain.others,
    )
    digest = hashlib.sha256(b"x").digest()
    request = request_for(digest, "sha256", nonce=7)
    value = cpu_ms(lambda: authority.reply(request, at=AT), count=300)
    yield Row(
        name="sign.tsa.reply",
        value=value,
        unit="ms_cpu",
        reference_name="1 RSA-2048 signature",
        reference_value=cpu_ms(lambda: raw(digest), count=300),
        goal=0.8,
    )
    stamper = DummyTimeStamper(tsa_cert=asn1_x509.Certificate.load(tsa.der), tsa_key=_key(tsa))
    asked = tsp.TimeStampReq.load(request)
    yield Row(
        name="sign.tsa.reply.peer",
        value=value,
        unit="ms_cpu",
        reference_name="pyHanko DummyTimeStamper as shipped",
        reference_value=cpu_ms(lambda: stamper.request_tsa_response(asked), count=3),
        goal=8.0,
    )


def large_file(bench: Bench) -> Iterable[Row]:
    """Archive a signed file of 100 MB from file to file."""
    with tempfile.TemporaryDirectory() as folder:
        original, target, copy = (Path(folder) / name for name in ("a.pdf", "b.pdf", "c.pdf"))
        original.write_bytes(bench.sign(document(100_000_000), Level.B_T))

        def work() -> None:
            with original.open("rb") as source, target.open("w+b") as staged:
                extend(source, staged, bench.options(Level.B_LTA))

        def floor() -> None:
            with original.open("rb") as source:
                hashlib.file_digest(source, "sha256")
            shutil.copyfile(original, copy)

        yield Row(
            name="sign.extend.100MB",
            value=cpu_ms(work, count=1),
            unit="ms_cpu",
            reference_name="hash and file copy",
            reference_value=cpu_ms(floor, count=1),
            goal=0.8,
        )
