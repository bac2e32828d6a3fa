"""Files that people really have: signed, and judged by tools that are not ours."""

import json
from pathlib import Path

import pytest

from pdf.appearance import Stamp
from pdf.errors import PdfError
from tests.pdf.signing_kit import CORPUS, page_count, pdfsig, qpdf_check, sign

_CASES = (
    [
        case
        for case in json.loads((CORPUS / "manifest.json").read_text())
        if case["file"].startswith("unsigned/")
    ]
    if CORPUS.is_dir()
    else []
)


def _named(judge: str) -> list[object]:
    found = [
        pytest.param(CORPUS / case["file"], id=Path(case["file"]).stem)
        for case in _CASES
        if case["judge"] == judge
    ]
    absent = pytest.mark.skip(reason="the corpus is not beside the project")
    return found or [pytest.param(None, marks=absent)]


@pytest.mark.parametrize("visible", [False, True], ids=["invisible", "stamped"])
@pytest.mark.parametrize("original", _named("SIGN_OK"))
def test_a_file_people_have_is_signed_whole(original: Path, visible: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a parameter of the case
    signed = tmp_path / "signed.pdf"
    source = original.read_bytes()
    signed.write_bytes(sign(source, stamp=Stamp() if visible else None))

    opinion = pdfsig(signed)
    assert (opinion.signatures, opinion.valid, opinion.whole) == (1, 1, 1), opinion.text
    assert qpdf_check(signed) <= qpdf_check(original)
    assert page_count(signed) == page_count(original)
    assert signed.read_bytes().startswith(source)


@pytest.mark.parametrize("original", _named("REPORT"))
def test_a_file_that_should_not_be_signed_gets_a_reason(original: Path) -> None:
    with pytest.raises(PdfError) as refused:
        sign(original.read_bytes())
    assert "Signature1" in str(refused.value)
    assert refused.value.diagnostics()


@pytest.mark.parametrize("original", _named("REPORT"))
def test_the_field_its_author_meant_for_it_may_be_signed(original: Path, tmp_path: Path) -> None:
    signed = tmp_path / "signed.pdf"
    signed.write_bytes(sign(original.read_bytes(), field="Signature2", stamp=Stamp()))
    assert pdfsig(signed).valid == 1


@pytest.mark.parametrize("original", _named("SIGN_OK"))
def test_a_second_signature_keeps_the_first(original: Path, tmp_path: Path) -> None:
    signed = tmp_path / "signed.pdf"
    signed.write_bytes(sign(sign(original.read_bytes()), stamp=Stamp()))
    opinion = pdfsig(signed)
    assert (opinion.signatures, opinion.valid, opinion.whole) == (2, 2, 1), opinion.text
