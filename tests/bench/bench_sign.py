"""What a signature costs beside the work nobody can avoid, and beside the usual library.

The limit of a B-B signature is one hash of the file and one RSA-2048 operation, both with the
same libraries in the same process. CPU time, median of several repetitions.
"""

import datetime as dt
import hashlib
import io
import shutil
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterable
from pathlib import Path

from asn1crypto import keys
from asn1crypto import x509 as asn1_x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from PIL import Image, ImageDraw
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import signers
from pyhanko.sign.fields import SigSeedSubFilter
from pyhanko_certvalidator.registry import SimpleCertificateStore

from pdf.appearance import Stamp
from pdf.embed import embed
from pdf.prepare import SignatureAlgorithm, SignatureOptions, SignerChain, prepare
from tests.bench.row import Row
from tests.pdf.signing_kit import assemble, person

AT = dt.datetime(2026, 3, 5, 9, 30, tzinfo=dt.UTC)
RSA = SignatureAlgorithm.RSA_PKCS1_SHA256
REPETITIONS = 5


def document(size: int, *, pages: int = 1) -> bytes:
    """Write a plain document of about that many bytes."""
    kids = " ".join(f"{number + 4} 0 R" for number in range(pages))
    filler = max(0, size - 700 - 95 * pages)
    return assemble(
        [
            "<</Type/Catalog/Pages 2 0 R>>",
            f"<</Type/Pages/Kids[{kids}]/Count {pages}>>",
            f"<</Length {filler}>>stream\n{'%' * filler}\nendstream",
            *["<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>"] * pages,
        ]
    )


def seal() -> bytes:
    """Draw a seal of the usual size with alpha."""
    picture = Image.new("RGBA", (400, 400), (0, 0, 0, 0))
    ImageDraw.Draw(picture).ellipse((8, 8, 392, 392), outline=(208, 0, 0, 215), width=12)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()


def cpu_ms(work: Callable[[], object], *, count: int) -> float:
    """Give the median CPU milliseconds of one call."""
    work()
    figures = []
    for _ in range(REPETITIONS):
        start = time.process_time()
        for _ in range(count):
            work()
        figures.append((time.process_time() - start) / count * 1000)
    return statistics.median(figures)


def raw(data: bytes) -> bytes:
    """Make the one RSA operation that a signature cannot do without."""
    key = person().key
    if not isinstance(key, rsa.RSAPrivateKey):
        raise TypeError("the benchmark signs with RSA")
    return key.sign(data, padding.PKCS1v15(), hashes.SHA256())


def ours(source: bytes, chain: SignerChain, stamp: Stamp | None = None) -> Callable[[], object]:
    """Prepare, sign, embed, in memory."""
    options = SignatureOptions(signing_time=AT, stamp=stamp)

    def work() -> None:
        staged = io.BytesIO()
        prepared = prepare(io.BytesIO(source), staged, options=options, signer=chain, algorithm=RSA)
        embed(staged, prepared, signature=raw(prepared.to_be_signed), signer=chain)

    return work


def document_signed_once(source: bytes, chain: SignerChain) -> bytes:
    """Give the document with a first signature, which takes the longer way for the next one."""
    staged = io.BytesIO()
    options = SignatureOptions(signing_time=AT)
    prepared = prepare(io.BytesIO(source), staged, options=options, signer=chain, algorithm=RSA)
    embed(staged, prepared, signature=raw(prepared.to_be_signed), signer=chain)
    return staged.getvalue()


def limit(source: bytes) -> Callable[[], object]:
    """Hash the file and sign once."""
    return lambda: raw(hashlib.sha256(source).digest())


def peer(source: bytes) -> Callable[[], object]:
    """Sign with pyHanko as its documentation shows it."""
    who = person()
    registry = SimpleCertificateStore()
    registry.register_multiple([asn1_x509.Certificate.load(each) for each in who.chain.others])
    signer = signers.SimpleSigner(
        signing_cert=asn1_x509.Certificate.load(who.certificate.public_bytes(Encoding.DER)),
        signing_key=keys.PrivateKeyInfo.load(
            who.key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        ),
        cert_registry=registry,
    )
    meta = signers.PdfSignatureMetadata(
        field_name="Signature1", md_algorithm="sha256", subfilter=SigSeedSubFilter.PADES
    )

    def work() -> None:
        writer = IncrementalPdfFileWriter(io.BytesIO(source))
        signers.PdfSigner(meta, signer).sign_pdf(writer)

    return work


def rows() -> Iterable[Row]:
    """Measure small files, many pages, stamps and a large file."""
    chain = person().chain
    small, many = document(50_000), document(1_000_000, pages=500)
    invisible = cpu_ms(ours(small, chain), count=200)
    yield _beside_limit("sign.b-b.50kB", invisible, small, goal=0.4)
    yield Row(
        name="sign.b-b.50kB.peer",
        value=invisible,
        unit="ms_cpu",
        reference_name="pyHanko SimpleSigner, same document and key",
        reference_value=cpu_ms(peer(small), count=5),
        goal=10.0,
    )
    paged = cpu_ms(ours(many, chain), count=50)
    yield _beside_limit("sign.b-b.500-pages", paged, many)
    yield Row(
        name="sign.b-b.500-pages.bound",
        value=paged,
        unit="ms_cpu",
        reference_name="three milliseconds",
        reference_value=3.0,
        goal=1.0,
    )
    again = document_signed_once(small, chain)
    yield _beside_limit("sign.b-b.second-signature", cpu_ms(ours(again, chain), count=100), again)
    for name, stamp in (
        ("sign.visible.text", Stamp()),
        ("sign.visible.text-and-seal", Stamp(image=seal())),
    ):
        yield Row(
            name=name,
            value=cpu_ms(ours(small, chain, stamp), count=100),
            unit="ms_cpu",
            reference_name="the same signature, invisible",
            reference_value=invisible,
            goal=0.5,
        )
    yield from large_file(chain)


def _beside_limit(name: str, value: float, source: bytes, goal: float | None = None) -> Row:
    return Row(
        name=name,
        value=value,
        unit="ms_cpu",
        reference_name="SHA-256 of the file + one RSA-2048 signature",
        reference_value=cpu_ms(limit(source), count=200),
        goal=goal,
    )


def large_file(chain: SignerChain) -> Iterable[Row]:
    """Sign 100 MB from file to file: time beside hash and copy, memory beside a fixed bound."""
    with tempfile.TemporaryDirectory() as folder:
        original, staged, copy = (Path(folder) / name for name in ("a.pdf", "b.pdf", "c.pdf"))
        original.write_bytes(document(100_000_000))

        def work() -> None:
            with original.open("rb") as source, staged.open("w+b") as target:
                options = SignatureOptions(signing_time=AT)
                prepared = prepare(source, target, options=options, signer=chain, algorithm=RSA)
                embed(target, prepared, signature=raw(prepared.to_be_signed), signer=chain)

        def floor() -> None:
            with original.open("rb") as source:
                hashlib.file_digest(source, "sha256")
            shutil.copyfile(original, copy)

        yield Row(
            name="sign.b-b.100MB",
            value=cpu_ms(work, count=1),
            unit="ms_cpu",
            reference_name="hash and file copy",
            reference_value=cpu_ms(floor, count=1),
            goal=0.8,
        )
        tracemalloc.start()
        work()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        yield Row(
            name="sign.b-b.100MB.memory",
            value=peak / 1e6,
            unit="MB",
            reference_name="20 MB above the base",
            reference_value=20.0,
            goal=1.0,
        )
