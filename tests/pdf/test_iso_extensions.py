"""Signatures that PDF 2.0 does not know by itself say which extension they need."""

from pathlib import Path

import pytest

from pdf.appearance import Stamp
from pdf.document import Document
from pdf.prepare import SignatureAlgorithm
from pdf.syntax import PdfDict
from tests.pdf.signing_kit import blank_pdf, person, qpdf_check, sign
from tests.pdf.verifying_kit import check

ED25519 = SignatureAlgorithm.ED25519


def declared(data: bytes) -> list[int]:
    view = Document(data).latest
    catalog = view.catalog
    assert isinstance(catalog, PdfDict)
    extensions = view.dictionary(catalog.get("Extensions"))
    entries = view.array(extensions.get("ISO_")) if extensions is not None else []
    levels = [(view.dictionary(each) or PdfDict()).get("ExtensionLevel") for each in entries]
    return [level for level in levels if isinstance(level, int)]


@pytest.mark.parametrize("field", [None, "Own"], ids=["direct", "layered"])
def test_ed25519_names_iso_ts_32002_once(field: str | None, tmp_path: Path) -> None:
    first = sign(blank_pdf(), who=person("ed25519"), algorithm=ED25519, field=field)
    assert declared(first) == [32002]
    second = sign(first, who=person("ed25519"), algorithm=ED25519, stamp=Stamp())
    assert declared(second) == [32002]
    (tmp_path / "twice.pdf").write_bytes(second)
    assert qpdf_check(tmp_path / "twice.pdf") == 0


def test_other_algorithms_name_nothing() -> None:
    assert declared(sign(blank_pdf())) == []


def test_the_entry_is_no_forbidden_change_for_an_earlier_signer() -> None:
    data = sign(sign(blank_pdf()), who=person("ed25519"), algorithm=ED25519, stamp=Stamp())
    earlier = check(data).signatures[0]
    assert earlier.integrity.digest_match
    assert all(change.permitted_by for change in earlier.integrity.changes)
