"""Pictures of changed pages through every door: in reports, beside kept verdicts, as files."""

import html
import io
import json
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pypdfium2
import pytest
from PIL import Image

from tests.api.office import Office
from tests.attacks.test_what_revisions_show import BLANK_BOX, TEXT_BOX, WHITE, countersigned
from tests.pdf.signing_kit import sign
from tests.pdf.verifying_kit import letter

PDF = {"Content-Type": "application/pdf"}


@pytest.fixture(scope="module")
def forged() -> bytes:
    """A letter whose amount a second signer's stamp covers."""
    return countersigned(sign(letter()), TEXT_BOX, ground=WHITE)


def asked(office: Office, data: bytes, accept: str = "application/json", **options: object) -> str:
    files = {"file": ("thư.pdf", data), "options": (None, json.dumps({"store": True, **options}))}
    answer = office.call("POST", "/verify", files=files, headers={"Accept": accept})
    assert answer.status_code == 200, answer.text
    return answer.headers["x-verification-id"]


@pytest.mark.parametrize(("language", "words"), [("vi", "Khác nhau ở"), ("en", "They differ at")])
def test_a_page_shows_what_was_covered_and_says_it_in_words(
    office: Office, forged: bytes, language: str, words: str
) -> None:
    headers = PDF | {"Accept": "text/html", "Accept-Language": language}
    page = office.call("POST", "/verify", content=forged, headers=headers)
    assert "img-src data:" in page.headers["content-security-policy"]
    alternatives = [html.unescape(one) for one in re.findall(r'<img [^>]*alt="([^"]+)"', page.text)]
    assert len(alternatives) == 1
    assert words in alternatives[0]
    assert re.search(r"\d+-\d+ x \d+-\d+ pt", alternatives[0])
    assert "<figcaption>" in page.text


def test_a_paper_shows_the_same_picture(office: Office, forged: bytes, tmp_path: Path) -> None:
    paper = office.call(
        "POST", "/verify", content=forged, headers=PDF | {"Accept": "application/pdf"}
    ).content
    (tmp_path / "report.pdf").write_bytes(paper)
    done = subprocess.run(
        ["qpdf", "--check", tmp_path / "report.pdf"], capture_output=True, check=False
    )
    assert done.returncode == 0, done.stderr
    with pypdfium2.PdfDocument(paper) as document:
        images = [one for page in document for one in page.get_objects() if one.type == 3]
        assert len(images) == 1
    assert b"/Alt" in paper


def test_pictures_are_kept_only_where_asked_for(office: Office, forged: bytes) -> None:
    plain = asked(office, forged)
    assert office.call("GET", f"/verifications/{plain}/differences").json() == []
    assert office.call("GET", f"/verifications/{plain}/differences/1.png").status_code == 404
    kept = asked(office, forged, pictures=True)
    listed = office.call("GET", f"/verifications/{kept}/differences").json()
    assert [(one["number"], one["signature"], one["page"]) for one in listed] == [(1, 0, 1)]
    assert listed[0]["forbidden"]
    picture = office.call("GET", f"/verifications/{kept}/differences/1.png")
    assert picture.headers["content-type"] == "image/png"
    with Image.open(io.BytesIO(picture.content)) as opened:
        assert opened.format == "PNG"
    assert office.call("GET", f"/verifications/{kept}/differences/2.png").status_code == 404
    shown = office.call("GET", f"/verifications/{kept}", headers={"Accept": "text/html"})
    assert "data:image/png;base64," in shown.text
    exported = office.call("GET", f"/verifications/{kept}/evidence").content
    with zipfile.ZipFile(io.BytesIO(exported)) as archive:
        named = [name for name in archive.namelist() if name.startswith("picture/")]
        assert [archive.read(name) for name in named] == [picture.content]
    files = {"file": ("thư.pdf", forged)}
    assert office.call("POST", f"/verifications/{kept}/replay", files=files).json()["same"]
    office.call("DELETE", f"/verifications/{kept}", json={"reason": "hết thời hạn"})
    assert office.call("GET", f"/verifications/{kept}/differences/1.png").status_code == 410


def test_the_command_line_writes_the_pictures(forged: bytes, tmp_path: Path) -> None:
    (tmp_path / "forged.pdf").write_bytes(forged)
    (tmp_path / "fine.pdf").write_bytes(countersigned(sign(letter()), BLANK_BOX, ground=WHITE))
    script = Path(sys.executable).with_name("antin")
    done = subprocess.run(
        [script, "verify", "forged.pdf", "fine.pdf", "--offline", "--differences", "seen"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1, done.stderr
    assert "che mất nội dung hiển thị khi ký" in " ".join(done.stdout.split())
    names = sorted(path.name for path in (tmp_path / "seen").iterdir())
    assert names == ["fine-signature1-page1.png", "forged-signature1-page1.png"]
