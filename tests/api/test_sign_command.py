"""`antin sign` before it signs, and when it goes on after a kill."""

import json
import os
import signal
import subprocess
import sys
import time
import unicodedata
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)
from PIL import Image

from tests.api.office import empty_pdf
from tests.api.test_command_line import ROOT, antin, desk, key_of
from tests.pdf.signing_kit import pdfsig, person, root
from tests.pdf.test_stamps import text_of

__all__ = ["desk"]
SAMPLE = ROOT / "docs" / "samples" / "quyet-dinh.pdf"


def test_a_dry_run_says_what_would_happen_and_writes_nothing(desk: Path, tmp_path: Path) -> None:
    done = antin(
        "sign", desk / "plain.pdf", tmp_path / "out.pdf", *key_of(desk), "--stamp", "standard",
        "--dry-run", "--json", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["would_sign"]
    assert told["place"]["page"] == 1
    assert told["key"]["reachable"]
    assert "Trần Văn Ký" in told["certificate"]["subject"]
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_over_many_files_names_the_ones_that_cannot_be_signed(
    desk: Path, tmp_path: Path
) -> None:
    inputs = [desk / "plain.pdf", desk / "photo.pdf", desk / "signed.pdf"]
    options = ["--out-dir", "out", "--dry-run", "--json"]
    done = antin("sign", *inputs, *key_of(desk), *options, cwd=tmp_path)
    assert done.returncode == 1
    plain, photo, signed = json.loads(done.stdout)
    assert plain["would_sign"]
    assert [each["code"] for each in photo["problems"]] == ["not_a_pdf"]
    assert photo["problems"][0]["vi"]
    assert "EARLIER_SIGNATURES" in [each["code"] for each in signed["findings"]]
    said = antin("sign", *inputs, *key_of(desk), "--out-dir", "out", "--dry-run", cwd=tmp_path)
    assert "not_a_pdf" in said.stdout
    assert "không ký" in said.stdout


def test_a_preview_is_drawn_and_nothing_signed(desk: Path, tmp_path: Path) -> None:
    done = antin(
        "sign", desk / "plain.pdf", "out.pdf", *key_of(desk), "--corner", "top-left",
        "--margin", "20,10", "--preview", "page.png", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["page.png"]
    with Image.open(tmp_path / "page.png") as picture:
        assert picture.size == (794, 1123)


def test_a_stamp_stands_at_the_words_that_are_named(desk: Path, tmp_path: Path) -> None:
    words = unicodedata.normalize("NFD", "Nguyễn thị Hoài THƯƠNG")
    done = antin(
        "sign", SAMPLE, "out.pdf", *key_of(desk), "--stamp", "standard", "--anchor", words,
        cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    missing = antin(
        "sign", SAMPLE, "no.pdf", *key_of(desk), "--stamp", "standard", "--anchor", "Lê Văn Không",
        cwd=tmp_path,
    )  # fmt: skip
    assert missing.returncode == 1
    assert "Lê Văn Không" in missing.stderr
    assert not (tmp_path / "no.pdf").exists()


def test_a_template_of_ones_own_is_read_from_a_file(desk: Path, tmp_path: Path) -> None:
    (tmp_path / "own.toml").write_text(
        'name = "so.chuyen"\nlines = ["{name}", "Chuyển: {to}"]\nwords = ["to"]\nframe = true\n',
        encoding="utf-8",
    )
    options = ["--stamp", "own.toml", "--word", "to=Phòng Tổng hợp"]
    done = antin("sign", desk / "plain.pdf", "out.pdf", *key_of(desk), *options, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Chuyển: Phòng Tổng hợp" in text_of((tmp_path / "out.pdf").read_bytes(), tmp_path)
    (tmp_path / "own.toml").write_text('name = "x"\nlines = ["{gì}"]\n', encoding="utf-8")
    wrong = antin("sign", desk / "plain.pdf", "o.pdf", *key_of(desk), *options, cwd=tmp_path)
    assert wrong.returncode == 1
    assert "{gì}" in wrong.stderr


@pytest.mark.parametrize(
    "options",
    [
        ["--corner", "nowhere"],
        ["--corner", "top-left", "--box", "1,2,30,40"],
        ["--anchor", "x", "--anchor-side", "inside"],
        ["--stamp", "standard", "--word", "noequals"],
        ["--stamp", "standard", "--if-taken", "perhaps"],
    ],
    ids=" ".join,
)
def test_a_wrong_place_is_wrong_usage(desk: Path, tmp_path: Path, options: list[str]) -> None:
    done = antin("sign", desk / "plain.pdf", "out.pdf", *key_of(desk), *options, cwd=tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr


def test_a_stamp_over_an_earlier_one_is_refused_or_moved(desk: Path, tmp_path: Path) -> None:
    place = ["--stamp", "standard", "--box", "100,100,300,160"]
    first = antin("sign", desk / "plain.pdf", "1.pdf", *key_of(desk), *place, cwd=tmp_path)
    assert first.returncode == 0
    second = antin("sign", "1.pdf", "2.pdf", *key_of(desk), *place, cwd=tmp_path)
    assert second.returncode == 1
    moved = antin(
        "sign", "1.pdf", "2.pdf", *key_of(desk), *place, "--if-taken", "move", cwd=tmp_path
    )
    assert moved.returncode == 0
    assert pdfsig(tmp_path / "2.pdf").valid == 2


def test_a_killed_run_goes_on_where_it_stopped(desk: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    count = 40
    for number in range(count):
        (tmp_path / "in" / f"{number:02d}.pdf").write_bytes(empty_pdf() + b"%%%d\n" % number)
    inputs = sorted((tmp_path / "in").iterdir())
    command = ["sign", *map(str, inputs), *key_of(desk), "--out-dir", "out", "--stamp", "standard"]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ANTIN_")}
    victim = subprocess.Popen(
        [sys.executable, "-m", "api.cli", *command],
        cwd=tmp_path,
        env=environment | {"PYTHONPATH": str(ROOT)},
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    out = tmp_path / "out"
    while victim.poll() is None and len(list(out.glob("[0-9]*.pdf"))) < 5:
        time.sleep(0.005)
    victim.send_signal(signal.SIGKILL)
    victim.wait()
    before = {path.name: path.read_bytes() for path in out.glob("[0-9]*.pdf")}
    assert 0 < len(before) <= count
    # one that is not finished, whatever its name says
    (out / "39.pdf").write_bytes(inputs[39].read_bytes())
    done = antin(*command, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "left alone" in done.stderr
    for path in sorted(out.glob("[0-9]*.pdf")):
        if path.name != "39.pdf" and path.name in before:
            assert path.read_bytes() == before[path.name], "signed twice"
    assert len(list(out.glob("[0-9]*.pdf"))) == count
    for number in (0, count // 2, count - 1):
        assert pdfsig(out / f"{number:02d}.pdf").valid == 1
    again = antin(*command, cwd=tmp_path)
    assert f"{count} " in again.stderr


def test_an_experimental_key_signs_and_says_what_it_is(tmp_path: Path) -> None:
    who = person("ml-dsa-65")
    locked = BestAvailableEncryption(b"1234")
    pem = who.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, locked)
    (tmp_path / "key.pem").write_bytes(pem)
    (tmp_path / "pin").write_text("1234")
    (tmp_path / "own.pem").write_bytes(who.certificate.public_bytes(Encoding.PEM))
    (tmp_path / "root.pem").write_bytes(root()[0].public_bytes(Encoding.PEM))
    key = ["--key", "soft:key.pem?pin-source=file:pin", "--cert", "own.pem", "--chain", "root.pem"]
    done = antin("sign", SAMPLE, "out.pdf", *key, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "ml-dsa-65" in done.stderr
    assert "experimental" in done.stderr
    judged = antin("verify", "out.pdf", "--trust", "root.pem", "--format", "json", cwd=tmp_path)
    (signature,) = json.loads(judged.stdout)["signatures"]
    assert signature["integrity"]["signature_match"]
    assert "EXPERIMENTAL_ALGORITHM" in {each["code"] for each in signature["messages"]}
