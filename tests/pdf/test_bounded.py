"""Small plain files are prepared where nobody can stop it: the same result, or nothing at all."""

import io
import os
import time
from pathlib import Path

import pytest

from pdf.appearance import Stamp
from pdf.archival import claimed
from pdf.bounded_document import MOST_BYTES, MOST_READ
from pdf.errors import PdfError
from pdf.options import Level
from pdf.prepare import (
    PreparedSignature,
    SignatureAlgorithm,
    SignatureOptions,
    prepare,
    prepare_here,
)
from pdf.spot import AnchorSpot
from tests.pdf.signing_kit import CORPUS, NOW, assemble, blank_pdf, person, sign

RSA = SignatureAlgorithm.RSA_PKCS1_SHA256
PLAIN = SignatureOptions(signing_time=NOW)


def here(
    source: bytes, options: SignatureOptions = PLAIN
) -> tuple[PreparedSignature | None, bytes]:
    staged = io.BytesIO()
    made = prepare_here(
        io.BytesIO(source), staged, options=options, signer=person().chain, algorithm=RSA
    )
    return made, staged.getvalue()


def anywhere(source: bytes, options: SignatureOptions = PLAIN) -> tuple[PreparedSignature, bytes]:
    staged = io.BytesIO()
    made = prepare(
        io.BytesIO(source), staged, options=options, signer=person().chain, algorithm=RSA
    )
    return made, staged.getvalue()


@pytest.fixture(autouse=True)
def same_identifiers(monkeypatch: pytest.MonkeyPatch) -> None:
    """New files have a random identifier; here two of the same content are to be the same."""
    person()
    monkeypatch.setattr(os, "urandom", lambda count: b"\1" * count)


@pytest.mark.parametrize(
    "options",
    [
        PLAIN,
        SignatureOptions(signing_time=NOW, level=Level.B_LTA, reason="Duyệt", page=-1),
        SignatureOptions(signing_time=NOW, stamp=Stamp(lines=("Nguyễn Văn Trăm",))),
    ],
)
def test_a_plain_file_is_prepared_alike_here_and_in_a_worker(options: SignatureOptions) -> None:
    for source in (blank_pdf(2), sign(blank_pdf(1))):
        made, staged = here(source, options)
        assert made is not None
        assert (made, staged) == anywhere(source, options)


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not here")
def test_every_file_of_the_corpus_is_prepared_alike_or_left_to_a_worker() -> None:
    alike = 0
    for path in sorted((CORPUS / "unsigned").rglob("*.pdf")):
        source = path.read_bytes()
        made, staged = here(source)
        if made is None:
            assert staged == b"", path.name
            continue
        alike += 1
        try:
            assert (made, staged) == anywhere(source), path.name
        except PdfError as error:
            pytest.fail(f"{path.name} is refused elsewhere: {error}")
    assert alike


@pytest.mark.parametrize(
    "options",
    [
        SignatureOptions(signing_time=NOW, password="x"),  # noqa: S106 -- opens nothing
        SignatureOptions(signing_time=NOW, stamp=Stamp(image=b"\x89PNG")),
        SignatureOptions(signing_time=NOW, stamp=Stamp(), spot=AnchorSpot(text="Trưởng phòng")),
        SignatureOptions(signing_time=NOW, stamp=Stamp(preset="nd30.agency")),
        SignatureOptions(signing_time=NOW, stamp=Stamp(lines=("\u0e01",))),
    ],
)
def test_wishes_that_look_into_more_are_left_to_a_worker(options: SignatureOptions) -> None:
    assert here(blank_pdf(), options) == (None, b"")


def overlapping(levels: int) -> bytes:
    """Write a page tree whose nodes all end in the same long array, each inside the one before."""
    tail = " 0" * 200_000
    nodes = "".join(
        f"\n{number} 0 obj\n<</Type/Pages/Kids[{number + 1} 0 R ("
        for number in range(10, 10 + levels)
    )
    body = f"%PDF-1.7\n1 0 obj\n<</Type/Catalog/Pages 10 0 R>>\nendobj{nodes}){tail}]>>\nendobj\n"
    rows = ["0000000000 65535 f \n"] * (10 + levels)
    for number in (1, *range(10, 10 + levels)):
        rows[number] = f"{body.index(f'{number} 0 obj'):010d} 00000 n \n"
    table = f"xref\n0 {len(rows)}\n{''.join(rows)}trailer\n<</Size {len(rows)}/Root 1 0 R>>\n"
    return f"{body}{table}startxref\n{len(body)}\n%%EOF\n".encode()


def repeated_trailers(revisions: int) -> bytes:
    """Write many revisions whose trailers are long."""
    body = blank_pdf().decode("latin-1")
    for _ in range(revisions):
        previous = body.rindex("startxref")
        offset = int(body[previous:].split()[1])
        start = len(body)
        body += (
            f"xref\n0 0\ntrailer\n<</Size 4/Root 1 0 R/Prev {offset}/Filler[{' 0' * 30_000}]>>\n"
            f"startxref\n{start}\n%%EOF\n"
        )
    return body.encode("latin-1")


HOSTILE = {
    "no table": blank_pdf().replace(b"startxref", b"startxxxx"),
    "wrong offsets": blank_pdf().replace(b"/Catalog", b"/Catalog/Lang(vi)"),
    "not a file at all": b"%PDF-1.7\n" + b"<" * 100_000 + b"\nstartxref\n9\n%%EOF\n",
    "parentheses": b"%PDF-1.7\n" + b"(" * 500_000 + b"\nstartxref\n9\n%%EOF\n",
    "nodes over each other": overlapping(20),
    "long trailers": repeated_trailers(12),
    "too large": blank_pdf() + b" " * MOST_BYTES,
    "a long catalog": assemble(
        [f"<</Type/Catalog/Pages 2 0 R/X[{' 0' * MOST_READ}]>>", "<</Type/Pages/Kids[]/Count 0>>"]
    ),
    "compressed references": assemble(
        ["<</Type/Catalog/Pages 2 0 R/Metadata 4 0 R>>", "<</Type/Pages/Kids[3 0 R]/Count 1>>",
         "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
         "<</Type/Metadata/Filter/FlateDecode/Length 4>>stream\nabcd\nendstream"]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_much_work_or_not_plain_is_left_to_a_worker_soon(name: str) -> None:
    started = time.thread_time()
    assert here(HOSTILE[name]) == (None, b"")
    assert time.thread_time() - started < 1.0  # some 0.1 s for the worst of them


def test_metadata_of_blanks_are_read_in_a_moment() -> None:
    packet = b'xmlns:a="http://www.aiim.org/pdfa/ns/id/" <a:part>' + b" " * 500_000
    started = time.thread_time()
    assert claimed(packet, rgb_intent=False) is None
    assert time.thread_time() - started < 1.0
    spaced = b'xmlns:a="http://www.aiim.org/pdfa/ns/id/" <a:part>\n  2 \n</a:part>'
    found = claimed(spaced, rgb_intent=False)
    assert found is not None
    assert found.part == 2


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not here")
def test_attacks_of_the_corpus_are_looked_at_within_bounds() -> None:
    for path in sorted(CORPUS.rglob("*.pdf")):
        if Path(path).stat().st_size <= MOST_BYTES:
            started = time.thread_time()
            here(path.read_bytes())
            assert time.thread_time() - started < 1.0, path.name
