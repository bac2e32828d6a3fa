"""Files and wishes that are refused, each with the error that says why."""

import contextlib
import io
import random
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from pdf.appearance import Stamp
from pdf.errors import (
    DamagedPdf,
    EncryptedPdf,
    FieldUnavailable,
    NoPages,
    NotAPdf,
    PasswordIncorrect,
    PdfError,
    PlacementInvalid,
    SigningNotPermitted,
    TimestampUnavailable,
)
from pdf.prepare import (
    CertificationLevel,
    Level,
    SignatureAlgorithm,
    SignatureOptions,
    prepare,
)
from tests.pdf.signing_kit import (
    CORPUS,
    NOW,
    assemble,
    blank_pdf,
    pdfsig,
    person,
    qpdf_check,
    sign,
)

OPENS, OWNS, WRONG = "mở", "chủ", "sai bét"


def _jpeg() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (20, 20), "red").save(out, "JPEG")
    return out.getvalue()


def _no_pages() -> bytes:
    return assemble(["<</Type/Catalog/Pages 2 0 R>>", "<</Type/Pages/Kids[]/Count 0>>"])


@pytest.mark.parametrize(
    ("data", "error"),
    [
        (b"", NotAPdf),
        (_jpeg(), NotAPdf),
        (b"PK\x03\x04 a document of another kind", NotAPdf),
        (_no_pages(), NoPages),
        (blank_pdf()[:200], DamagedPdf),
        (blank_pdf()[:-40], DamagedPdf),
        (b"%PDF-1.7\n%%EOF\n", DamagedPdf),
        (b"%PDF-1.7\nstartxref\n99999\n%%EOF\n", DamagedPdf),
        (b"%PDF-1.7\nstartxref\nmany\n%%EOF\n", DamagedPdf),
        (b"garbage\n" + blank_pdf(), DamagedPdf),
        (blank_pdf().replace(b"/Root 1 0 R", b"/Root 9 0 R"), DamagedPdf),
        (blank_pdf().replace(b"/Root 1 0 R", b"/Wurz 1 0 R"), DamagedPdf),
        (blank_pdf().replace(b"/Size 5", b"/Size 4"), DamagedPdf),
        (blank_pdf().replace(b"/Kids[4 0 R]", b"/Kids[2 0 R]"), DamagedPdf),
        (blank_pdf().replace(b"/Pages 2 0 R", b"/Pages 1 0 R"), DamagedPdf),
    ],
    ids=range(15),
)
def test_a_file_that_is_no_whole_pdf_is_refused_and_nothing_is_staged(
    data: bytes, error: type[PdfError]
) -> None:
    staged = io.BytesIO()
    with pytest.raises(error) as refused:
        prepare(
            io.BytesIO(data),
            staged,
            options=SignatureOptions(signing_time=NOW),
            signer=person().chain,
            algorithm=SignatureAlgorithm.RSA_PKCS1_SHA256,
        )
    assert staged.getvalue() == b""
    assert str(refused.value)
    assert refused.value.diagnostics()


def test_bytes_flipped_at_random_give_a_signature_or_an_error_of_ours() -> None:
    chance = random.Random(20261122)  # noqa: S311 - the same damage every time
    original = sign(blank_pdf(2), stamp=Stamp())
    for _ in range(150):
        data = bytearray(original)
        for _ in range(chance.choice((1, 3, 20))):
            data[chance.randrange(len(data))] = chance.randrange(256)
        with contextlib.suppress(PdfError):
            sign(bytes(data))


@pytest.mark.skipif(not CORPUS.is_dir(), reason="the corpus is not beside the project")
def test_no_hostile_file_of_the_corpus_makes_anything_but_an_answer() -> None:
    for file in sorted((CORPUS / "parser").glob("*.pdf")):
        with contextlib.suppress(PdfError):
            sign(file.read_bytes(), stamp=Stamp())


def _encrypted(tmp_path: Path, *arguments: str) -> bytes:
    (tmp_path / "plain.pdf").write_bytes(blank_pdf())
    subprocess.run(
        ["qpdf", *arguments, "--", "plain.pdf", "encrypted.pdf"], cwd=tmp_path, check=True
    )
    return (tmp_path / "encrypted.pdf").read_bytes()


@pytest.mark.parametrize("bits", ["128", "256"])
def test_an_encrypted_file_is_signed_with_its_password(bits: str, tmp_path: Path) -> None:
    weak = ["--allow-weak-crypto"] if bits == "128" else []
    source = _encrypted(tmp_path, *weak, "--encrypt", OPENS, OWNS, bits)
    signed = tmp_path / "signed.pdf"
    signed.write_bytes(sign(source, password=OPENS, stamp=Stamp(), reason="Phê duyệt"))
    assert pdfsig(signed, password=OPENS).valid == 1
    assert qpdf_check(signed, password=OPENS) == 0
    twice = tmp_path / "twice.pdf"
    twice.write_bytes(sign(signed.read_bytes(), password=OWNS))
    assert pdfsig(twice, password=OPENS).valid == 2


def test_an_encrypted_file_asks_for_its_password(tmp_path: Path) -> None:
    source = _encrypted(tmp_path, "--encrypt", OPENS, OWNS, "256")
    with pytest.raises(EncryptedPdf) as asked:
        sign(source)
    assert not isinstance(asked.value, PasswordIncorrect)
    with pytest.raises(PasswordIncorrect) as wrong:
        sign(source, password=WRONG)
    assert WRONG not in str(wrong.value)


def test_user_access_that_may_not_change_anything_may_not_sign(tmp_path: Path) -> None:
    source = _encrypted(
        tmp_path, "--encrypt", "", OWNS, "256", "--modify=none", "--annotate=n", "--form=n"
    )
    with pytest.raises(SigningNotPermitted):
        sign(source)
    signed = tmp_path / "signed.pdf"
    signed.write_bytes(sign(source, password=OWNS))
    assert pdfsig(signed, password=OWNS).valid == 1


_FIELD = "<</Type/Annot/Subtype/Widget/FT/Sig/T(Ky){extra}/Rect[50 50 250 120]/P 4 0 R/F 4>>"


def _with_field(extra: str = "") -> bytes:
    return assemble(
        [
            "<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[5 0 R 6 0 R]>>>>",
            "<</Type/Pages/Kids[4 0 R]/Count 1>>",
            "<</Length 0>>stream\n\nendstream",
            "<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Annots[5 0 R 6 0 R]>>",
            _FIELD.replace("{extra}", extra),
            "<</Type/Annot/Subtype/Widget/FT/Tx/T(Ten)/Rect[50 200 250 220]/P 4 0 R/F 4>>",
        ]
    )


def test_an_empty_field_is_filled_where_it_stands(tmp_path: Path) -> None:
    signed = tmp_path / "signed.pdf"
    signed.write_bytes(sign(_with_field(), field="Ky", stamp=Stamp()))
    opinion = pdfsig(signed)
    assert opinion.valid == 1, opinion.text
    assert "Signature Field Name: Ky" in opinion.text
    with pytest.raises(FieldUnavailable, match="signed already"):
        sign(signed.read_bytes(), field="Ky")


@pytest.mark.parametrize("field", ["Ten", "", "  ", "a.b", "a\0b"])
def test_a_field_that_cannot_hold_a_signature_is_refused(field: str) -> None:
    with pytest.raises(FieldUnavailable):
        sign(_with_field(), field=field)


def test_a_box_for_a_field_that_has_its_place_is_refused() -> None:
    with pytest.raises(PlacementInvalid):
        sign(_with_field(), field="Ky", stamp=Stamp(), box=(10, 10, 100, 50))


def test_a_new_field_takes_the_next_free_name(tmp_path: Path) -> None:
    signed = tmp_path / "signed.pdf"
    signed.write_bytes(sign(sign(blank_pdf(), field="Signature2")))
    text = pdfsig(signed).text
    assert "Signature Field Name: Signature2" in text
    assert "Signature Field Name: Signature3" in text


def test_a_certified_document_closed_by_its_author_stays_closed() -> None:
    closed = sign(blank_pdf(), certify=CertificationLevel.NO_CHANGES)
    with pytest.raises(SigningNotPermitted):
        sign(closed)


def test_only_the_first_signature_can_certify() -> None:
    with pytest.raises(SigningNotPermitted, match="first"):
        sign(sign(blank_pdf()), certify=CertificationLevel.FORM_FILLING)


def test_a_field_with_a_lock_locks_when_it_is_signed() -> None:
    locked = sign(_with_field("/Lock<</Type/SigFieldLock/Action/All>>"), field="Ky")
    assert b"/FieldMDP" in locked
    with pytest.raises(SigningNotPermitted, match="locks"):
        sign(locked)
    some = sign(_with_field("/Lock<</Action/Include/Fields[(Ten)]>>"), field="Ky")
    assert sign(some)


@pytest.mark.parametrize(
    ("seed", "options", "fits"),
    [
        ("/Ff 2/SubFilter[/adbe.pkcs7.detached]", {}, False),
        ("/Ff 2/SubFilter[/adbe.pkcs7.detached/ETSI.CAdES.detached]", {}, True),
        ("/Ff 0/SubFilter[/adbe.pkcs7.detached]", {}, True),
        ("/Ff 1/Filter/Foreign.Handler", {}, False),
        ("/Ff 8/Reasons[(A)(B)]", {"reason": "B"}, True),
        ("/Ff 8/Reasons[(A)(B)]", {"reason": "C"}, False),
        ("/Ff 8/Reasons[(.)]", {"reason": "C"}, False),
        ("/Ff 8/Reasons[(.)]", {}, True),
        ("/Ff 64/DigestMethod[(SHA512)]", {}, False),
        ("/Ff 64/DigestMethod[(SHA256)]", {}, True),
        ("/Cert<</Ff 1/Subject[(x)]>>", {}, False),
        ("/TimeStamp<</URL(http://tsa.example)/Ff 1>>", {}, False),
        ("/MDP<</P 2>>", {}, False),
        ("/MDP<</P 2>>", {"certify": CertificationLevel.FORM_FILLING}, True),
    ],
)
def test_what_the_author_of_a_field_demands_is_met_or_refused(
    seed: str,
    options: dict[str, object],
    fits: bool,  # noqa: FBT001 - a column of the table
) -> None:
    source = _with_field(f"/SV<</Type/SV{seed}>>")
    if fits:
        assert sign(source, field="Ky", **options)
    else:
        with pytest.raises(FieldUnavailable, match="author"):
            sign(source, field="Ky", **options)


@pytest.mark.parametrize(
    ("box", "page"),
    [
        ((500, 100, 700, 150), 1),
        ((-20, 100, 100, 150), 1),
        ((10, 10, 12, 12), 1),
        ((10, 10, 200, 60), 3),
        ((10, 10, 200, 60), 0),
        ((10, 10, 200, 60), -2),
        ((10, 10, 60, 18), 1),
    ],
)
def test_a_box_outside_the_page_or_too_small_is_refused(
    box: tuple[float, float, float, float], page: int
) -> None:
    with pytest.raises(PlacementInvalid):
        sign(blank_pdf(), stamp=Stamp(), box=box, page=page)


def test_a_box_without_a_stamp_is_refused() -> None:
    with pytest.raises(PlacementInvalid):
        sign(blank_pdf(), box=(10, 10, 100, 100))


def test_a_time_stamped_signature_without_a_server_is_refused() -> None:
    with pytest.raises(TimestampUnavailable):
        sign(blank_pdf(), level=Level.B_T)
