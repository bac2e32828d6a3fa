"""What other verifiers say of a file, brought down to one word.

GOOD: every signature it sees holds and nothing forbidden was changed. BAD: it objects to one.
NONE: it sees no signature. ERROR: it gives no verdict. Certificates are nobody's business here.
"""

import io
import logging
import re
import subprocess
import tempfile
import warnings
from enum import StrEnum
from pathlib import Path

from pyhanko.pdf_utils.reader import PdfFileReader
from pyhanko.sign.diff_analysis import ModificationLevel
from pyhanko.sign.validation import validate_pdf_signature, validate_pdf_timestamp
from pyhanko_certvalidator import ValidationContext

from pdf.byte_range import Coverage
from pdf.change_kinds import ChangeLevel
from pdf.report import DocumentReport, Indication


class Word(StrEnum):
    GOOD = "GOOD"
    BAD = "BAD"
    NONE = "NONE"
    ERROR = "ERROR"


def ours(report: DocumentReport) -> Word:
    if report.indication is Indication.NOT_A_PDF:
        return Word.ERROR
    if not report.signatures:
        return Word.NONE
    whole = all(
        one.integrity.digest_match
        and one.integrity.signature_match
        and one.integrity.coverage is not Coverage.PARTIAL
        and one.integrity.changes_permitted
        and one.integrity.changes_after is not ChangeLevel.OTHER
        and one.indication is not Indication.TOTAL_FAILED
        for one in report.signatures
    )
    return Word.GOOD if whole else Word.BAD


def pdfsig(file: Path) -> Word:
    done = subprocess.run(["pdfsig", "-nocert", file], capture_output=True, check=False)
    text = done.stdout.decode("utf-8", "replace")
    verdicts = re.findall(r"Signature Validation: (.+)", text)
    if not verdicts:
        return Word.NONE if done.returncode in {0, 2} else Word.ERROR
    return Word.GOOD if all("is Valid" in verdict for verdict in verdicts) else Word.BAD


def pyhanko(file: Path) -> Word:
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _pyhanko(file.read_bytes())
    except Exception:  # noqa: BLE001 -- a peer's exception is its answer
        return Word.ERROR
    finally:
        logging.disable(logging.NOTSET)


def _pyhanko(data: bytes) -> Word:
    reader = PdfFileReader(io.BytesIO(data), strict=False)
    found = reader.embedded_signatures
    words = []
    for one in found:
        context = ValidationContext(allow_fetching=False)
        if one.sig_object.get("/SubFilter") == "/ETSI.RFC3161":
            stamp = validate_pdf_timestamp(one, context)
            words.append(stamp.intact and stamp.valid)
        else:
            status = validate_pdf_signature(one, context)
            level = status.modification_level
            words.append(status.intact and status.valid and level is not ModificationLevel.OTHER)
    if not words:
        return Word.NONE
    return Word.GOOD if all(words) else Word.BAD


_RANGE = re.compile(rb"/ByteRange\s*\[\s*(\d+)\s+(\d+)\s+(\d+)\s+(\d+)\s*\]")


def openssl(file: Path) -> Word:
    """Take the bytes by the first ByteRange and the CMS in its gap, and ask `openssl cms`."""
    data = file.read_bytes()
    ranges = [tuple(map(int, found.groups())) for found in _RANGE.finditer(data)]
    if not ranges:
        return Word.NONE
    # a number in the text of a file need not be a signature's: take the first that has a value
    fitting = [one for one in ranges if data[one[0] + one[1] : one[2]].strip()[:1] == b"<"]
    start, first, second, last = (fitting or ranges)[0]
    gap = data[start + first : second].strip(b"<> \r\n\t")
    try:
        cms = bytes.fromhex(gap.decode("ascii", "replace"))
    except ValueError:
        return Word.ERROR
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        (home / "cms").write_bytes(cms)
        (home / "content").write_bytes(data[start : start + first] + data[second : second + last])
        asked = ["-noverify", "-binary", "-inform", "DER", "-in", "cms", "-content", "content"]
        done = subprocess.run(
            ["openssl", "cms", "-verify", *asked, "-out", "out"],
            cwd=home,
            capture_output=True,
            check=False,
        )
    if done.returncode == 0:
        return Word.GOOD
    said = done.stderr.decode("utf-8", "replace")
    return Word.BAD if "erification failure" in said or "digest" in said else Word.ERROR
