"""The three steps of a signature, together and torn apart."""

import datetime as dt
import io
import json
import subprocess
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pdf.appearance import Stamp
from pdf.embed import embed
from pdf.errors import ContainerTooSmall, PreparedStateInvalid, SignatureRejected
from pdf.prepare import (
    CertificationLevel,
    Level,
    PreparedSignature,
    SignatureAlgorithm,
    SignatureOptions,
    prepare,
)
from tests.pdf.signing_kit import (
    NOW,
    assemble,
    blank_pdf,
    page_count,
    pdfsig,
    person,
    person_for,
    qpdf_check,
    raw_signature,
    sign,
)

RSA = SignatureAlgorithm.RSA_PKCS1_SHA256


def _prepared(source: bytes, **options: object) -> tuple[io.BytesIO, PreparedSignature]:
    staged = io.BytesIO()
    asked = SignatureOptions(**{"signing_time": NOW, **options})
    state = prepare(io.BytesIO(source), staged, options=asked, signer=person().chain, algorithm=RSA)
    return staged, state


@pytest.mark.parametrize("algorithm", SignatureAlgorithm)
def test_every_algorithm_gives_a_signed_file(algorithm: SignatureAlgorithm, tmp_path: Path) -> None:
    signed = tmp_path / "signed.pdf"
    signed.write_bytes(sign(blank_pdf(), algorithm=algorithm))
    assert qpdf_check(signed) == 0
    if algorithm not in {SignatureAlgorithm.ED25519, SignatureAlgorithm.ML_DSA_65}:
        # pdfsig's library cannot judge EdDSA in CMS, nor ML-DSA
        opinion = pdfsig(signed)
        assert (opinion.valid, opinion.whole) == (1, 1), opinion.text


def test_a_signature_waits_as_json_and_is_finished_elsewhere(tmp_path: Path) -> None:
    who = person()
    staged_file = tmp_path / "staged.pdf"
    with io.BytesIO(blank_pdf(2)) as source, staged_file.open("w+b") as staged:
        state = prepare(
            source,
            staged,
            options=SignatureOptions(signing_time=NOW),
            signer=who.chain,
            algorithm=RSA,
        ).to_json()
    assert pdfsig(staged_file).valid == 0

    later = PreparedSignature.from_json(state)
    with staged_file.open("r+b") as staged:
        done = embed(
            staged,
            later,
            signature=raw_signature(who.key, RSA, later.to_be_signed),
            signer=who.chain,
        )
    opinion = pdfsig(staged_file)
    assert (opinion.valid, opinion.whole) == (1, 1), opinion.text
    assert (done.level, done.field, done.size) == (
        Level.B_B,
        "Signature1",
        staged_file.stat().st_size,
    )


def test_the_state_reads_back_as_it_was_written() -> None:
    _, state = _prepared(blank_pdf())
    assert PreparedSignature.from_json(state.to_json()) == state
    assert len(state.digest) == 32
    assert state.hash_algorithm == "sha256"


@pytest.mark.parametrize(
    "spoil",
    [
        lambda _: "",
        lambda _: "[]",
        lambda _: "null",
        lambda state: json.dumps({**json.loads(state), "version": 2}),
        lambda state: json.dumps({**json.loads(state), "byte_range": [0, 1, 2]}),
        lambda state: json.dumps({**json.loads(state), "byte_range": [5, 1, 2, 3]}),
        lambda state: json.dumps({**json.loads(state), "contents_offset": "many"}),
        lambda state: json.dumps({**json.loads(state), "algorithm": "rsa-sha1"}),
        lambda state: json.dumps({**json.loads(state), "to_be_signed": "zz"}),
        lambda state: json.dumps({**json.loads(state), "unknown": 1}),
    ],
)
def test_a_spoilt_state_is_refused(spoil: object) -> None:
    _, state = _prepared(blank_pdf())
    with pytest.raises(PreparedStateInvalid):
        PreparedSignature.from_json(spoil(state.to_json()))  # type: ignore[operator]


def test_a_signature_over_other_bytes_is_rejected_and_the_file_still_waits() -> None:
    who = person()
    staged, state = _prepared(blank_pdf())
    before = staged.getvalue()
    wrong = raw_signature(who.key, RSA, b"something else")
    with pytest.raises(SignatureRejected):
        embed(staged, state, signature=wrong, signer=who.chain)
    assert staged.getvalue() == before
    right = raw_signature(who.key, RSA, state.to_be_signed)
    assert embed(staged, state, signature=right, signer=who.chain).container


def test_a_signature_by_another_person_is_rejected() -> None:
    other = person("rsa", "Trần Thị Bưởi")
    staged, state = _prepared(blank_pdf())
    by_other = raw_signature(other.key, RSA, state.to_be_signed)
    with pytest.raises(SignatureRejected):
        embed(staged, state, signature=by_other, signer=person().chain)
    with pytest.raises(SignatureRejected, match="another certificate"):
        embed(staged, state, signature=by_other, signer=other.chain)


@settings(max_examples=60, deadline=None)
@given(place=st.integers(min_value=0), flip=st.integers(min_value=1, max_value=255))
def test_any_byte_changed_while_it_waited_is_noticed(place: int, flip: int) -> None:
    who = person()
    staged, state = _prepared(blank_pdf())
    data = bytearray(staged.getvalue())
    data[place % len(data)] ^= flip
    signature = raw_signature(who.key, RSA, state.to_be_signed)
    with pytest.raises(PreparedStateInvalid):
        embed(io.BytesIO(bytes(data)), state, signature=signature, signer=who.chain)


def test_a_file_cut_or_grown_while_it_waited_is_noticed() -> None:
    who = person()
    staged, state = _prepared(blank_pdf())
    signature = raw_signature(who.key, RSA, state.to_be_signed)
    for data in (staged.getvalue()[:-1], staged.getvalue() + b"\n", b""):
        with pytest.raises(PreparedStateInvalid):
            embed(io.BytesIO(data), state, signature=signature, signer=who.chain)


def test_the_same_signature_is_not_embedded_twice() -> None:
    who = person()
    staged, state = _prepared(blank_pdf())
    signature = raw_signature(who.key, RSA, state.to_be_signed)
    embed(staged, state, signature=signature, signer=who.chain)
    with pytest.raises(PreparedStateInvalid, match="not empty"):
        embed(staged, state, signature=signature, signer=who.chain)


def test_a_third_and_a_tenth_signature_keep_all_before_them(tmp_path: Path) -> None:
    data = blank_pdf()
    for number in range(10):
        data = sign(data, stamp=Stamp() if number % 3 == 0 else None)
    signed = tmp_path / "signed.pdf"
    signed.write_bytes(data)
    opinion = pdfsig(signed)
    assert (opinion.signatures, opinion.valid, opinion.whole) == (10, 10, 1), opinion.text
    assert qpdf_check(signed) == 0


def test_a_certification_is_made_only_when_asked_and_only_first(tmp_path: Path) -> None:
    assert b"DocMDP" not in sign(blank_pdf())
    certified = sign(blank_pdf(), certify=CertificationLevel.FORM_FILLING)
    assert b"/DocMDP" in certified
    signed = tmp_path / "signed.pdf"
    signed.write_bytes(sign(certified, stamp=Stamp()))
    assert pdfsig(signed).valid == 2


def test_reason_place_and_claimed_time_are_read_by_others_as_they_were_given(
    tmp_path: Path,
) -> None:
    hanoi = dt.timezone(dt.timedelta(hours=7))
    signed = tmp_path / "signed.pdf"
    signed.write_bytes(
        sign(
            blank_pdf(),
            reason="Phê duyệt (bản 2)",
            location="Bình Phước",
            signing_time=dt.datetime(2026, 3, 5, 7, 30, tzinfo=hanoi),
        )
    )
    told = subprocess.run(
        ["qpdf", "--qdf", "--object-streams=disable", str(signed), "-"],
        capture_output=True,
        check=True,
    )
    assert b"D:20260305073000+07'00'" in told.stdout
    for text in ("Phê duyệt (bản 2)", "Bình Phước"):
        assert text.encode("utf-16-be").hex().encode() in told.stdout


def test_a_time_without_a_zone_is_a_programming_error() -> None:
    with pytest.raises(ValueError, match="zone"):
        SignatureOptions(signing_time=dt.datetime(2026, 3, 5))  # noqa: DTZ001 - refused


def test_the_password_is_not_shown_with_the_options() -> None:
    assert "bí mật" not in repr(SignatureOptions(signing_time=NOW, password="bí mật"))  # noqa: S106 - shown nowhere


def test_a_time_stamp_larger_than_its_room_is_an_error_that_says_how_much_is_missing() -> None:
    class Fat:
        def timestamp(self, digest: bytes, hash_algorithm: str) -> bytes:
            del digest, hash_algorithm
            return bytes(20_000)

    with pytest.raises(ContainerTooSmall) as small:
        sign(blank_pdf(), level=Level.B_T, timestamps=Fat())
    assert small.value.needed > small.value.reserved > 12_000


def test_memory_stays_flat_for_a_large_file(tmp_path: Path) -> None:
    large = tmp_path / "large.pdf"
    filler = "<</Length 33554432>>stream\n" + "x" * 33_554_432 + "\nendstream"
    large.write_bytes(
        assemble(
            [
                "<</Type/Catalog/Pages 2 0 R>>",
                "<</Type/Pages/Kids[3 0 R]/Count 1>>",
                "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>",
                filler,
            ]
        )
    )
    del filler
    who = person()
    with large.open("rb") as source, (tmp_path / "staged.pdf").open("w+b") as staged:
        tracemalloc.start()
        state = prepare(
            source,
            staged,
            options=SignatureOptions(signing_time=NOW),
            signer=who.chain,
            algorithm=RSA,
        )
        embed(
            staged,
            state,
            signature=raw_signature(who.key, RSA, state.to_be_signed),
            signer=who.chain,
        )
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert peak < 8 * 1024 * 1024
    assert pdfsig(tmp_path / "staged.pdf").whole == 1


def test_a_file_without_a_last_line_end_stays_well_formed(tmp_path: Path) -> None:
    signed = tmp_path / "signed.pdf"
    signed.write_bytes(sign(blank_pdf().rstrip()))
    assert b"%%EOF\n" in signed.read_bytes()
    assert qpdf_check(signed) == 0
    assert pdfsig(signed).whole == 1


@pytest.mark.parametrize("pages", [1, 2, 60])
def test_the_page_count_is_kept(pages: int, tmp_path: Path) -> None:
    signed = tmp_path / "signed.pdf"
    signed.write_bytes(sign(blank_pdf(pages), stamp=Stamp()))
    assert page_count(signed) == pages


def test_the_signature_does_not_depend_on_who_prepared_it_before() -> None:
    first = person_for(RSA)
    assert sign(blank_pdf(), who=first) != sign(blank_pdf(), who=person("rsa", "Lê Thị Sáu"))
