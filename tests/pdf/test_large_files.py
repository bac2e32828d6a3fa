"""A large file is read once while one process signs it, and again whenever it may be another."""

import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

import pytest

from pdf.embed import embed
from pdf.errors import PreparedStateInvalid
from pdf.prepare import PreparedSignature, SignatureAlgorithm, SignatureOptions, prepare
from pdf.produced import REMEMBERED_FROM, REMEMBERED_IN_MEMORY
from pdf.report import Indication
from tests.pdf.signing_kit import NOW, assemble, blank_pdf, pdfsig, person, raw_signature
from tests.pdf.verifying_kit import check

RSA = SignatureAlgorithm.RSA_PKCS1_SHA256
FILLER = REMEMBERED_FROM + 300_000


def large_pdf(filler: int = FILLER) -> bytes:
    return assemble(
        [
            "<</Type/Catalog/Pages 2 0 R>>",
            "<</Type/Pages/Kids[4 0 R]/Count 1>>",
            f"<</Length {filler}>>stream\n{'%' * filler}\nendstream",
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
        ]
    )


def prepared(source: BinaryIO, staged: BinaryIO) -> PreparedSignature:
    options = SignatureOptions(signing_time=NOW)
    return prepare(source, staged, options=options, signer=person().chain, algorithm=RSA)


def finish(staged: BinaryIO, state: PreparedSignature) -> None:
    raw = raw_signature(person().key, RSA, state.to_be_signed)
    embed(staged, state, signature=raw, signer=person().chain)


@pytest.fixture
def original(tmp_path: Path) -> Path:
    path = tmp_path / "original.pdf"
    path.write_bytes(large_pdf())
    return path


def test_the_digest_of_a_large_file_is_remembered_and_is_the_one_it_has(
    original: Path, tmp_path: Path
) -> None:
    out = tmp_path / "signed.pdf"
    with original.open("rb") as source, out.open("w+b") as staged:
        state = prepared(source, staged)
        known = state.produced
        assert known is not None
        assert known.still(staged)
        finish(staged, state)
        assert not known.still(staged)
    opinion = pdfsig(out)
    assert (opinion.valid, opinion.whole) == (1, 1), opinion.text


def _one_byte(staged: BinaryIO) -> None:
    staged.seek(FILLER // 2)
    staged.write(b"!")
    staged.flush()


def _elsewhere(staged: BinaryIO) -> None:
    with Path(staged.name).open("r+b") as other:
        _one_byte(other)


@pytest.mark.parametrize("change", [_one_byte, _elsewhere])
def test_a_large_file_that_was_written_to_since_is_read_again_and_refused(
    change: Callable[[BinaryIO], None], original: Path, tmp_path: Path
) -> None:
    with original.open("rb") as source, (tmp_path / "staged.pdf").open("w+b") as staged:
        state = prepared(source, staged)
        change(staged)
        with pytest.raises(PreparedStateInvalid, match="changed since"):
            finish(staged, state)


def test_another_file_of_the_same_size_is_read_again_and_refused(
    original: Path, tmp_path: Path
) -> None:
    with original.open("rb") as source, (tmp_path / "staged.pdf").open("w+b") as staged:
        state = prepared(source, staged)
    other = tmp_path / "other.pdf"
    other.write_bytes((tmp_path / "staged.pdf").read_bytes().replace(b"%%%%%", b"%%%%!", 1))
    with other.open("r+b") as staged, pytest.raises(PreparedStateInvalid, match="changed since"):
        finish(staged, state)


def test_what_was_stored_remembers_nothing_and_gives_the_same_file(
    original: Path, tmp_path: Path
) -> None:
    here, there = tmp_path / "here.pdf", tmp_path / "there.pdf"
    with original.open("rb") as source, here.open("w+b") as staged:
        state = prepared(source, staged)
        staged.flush()
        there.write_bytes(here.read_bytes())
        finish(staged, state)
    stored = PreparedSignature.from_json(state.to_json())
    assert stored == replace(state, produced=None)
    assert stored.produced is None
    with there.open("r+b") as staged:
        finish(staged, stored)
    assert there.read_bytes() == here.read_bytes()


@pytest.mark.parametrize("source_kind", ["file", "memory"])
@pytest.mark.parametrize("staged_kind", ["file", "memory"])
def test_a_copy_is_the_same_from_and_to_files_and_memory(
    source_kind: str, staged_kind: str, original: Path, tmp_path: Path
) -> None:
    data = original.read_bytes()
    source = io.BytesIO(data) if source_kind == "memory" else original.open("rb")
    staged: BinaryIO = (
        io.BytesIO(b"left over") if staged_kind == "memory" else (tmp_path / "s").open("w+b")
    )
    with source, staged:
        state = prepared(source, staged)
        staged.seek(0)
        written = staged.read()
    assert written.startswith(data)
    assert len(written) == state.byte_range[2] + state.byte_range[3]


def test_a_file_in_memory_is_known_by_its_bytes_and_refused_with_others() -> None:
    staged = io.BytesIO()
    state = prepared(io.BytesIO(blank_pdf()), staged)
    known = state.produced
    assert known is not None
    assert known.still(staged)
    staged.getbuffer()[20] ^= 1
    assert not known.still(staged)
    with pytest.raises(PreparedStateInvalid):
        finish(staged, state)
    staged.getbuffer()[20] ^= 1
    assert known.still(staged)
    finish(staged, state)
    assert not known.still(staged)
    assert check(staged.getvalue()).indication is Indication.TOTAL_PASSED


def test_much_in_memory_is_not_kept_twice() -> None:
    large = io.BytesIO(large_pdf(REMEMBERED_IN_MEMORY))
    assert prepared(large, io.BytesIO()).produced is None
