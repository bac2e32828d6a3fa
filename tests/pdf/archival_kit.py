"""Small documents that are PDF/A, and the independent checkers that judge what we add to them.

Apache PDFBox Preflight judges part 1; `tools/bootstrap test` installs it. page-validation, which
comes with the test packages, judges parts 1 to 3. Neither knows part 4: there the rules that
additions can break are checked one by one.
"""

import shutil
import subprocess
from pathlib import Path

import page
import pytest

from pdf.srgb import profile

JARS = Path("/usr/share/java")
NEEDED = ("preflight", "pdfbox2", "fontbox2", "xmpbox", "commons-logging", "javax.activation")
BINDING = "jaxb-api"
PACKAGES = "default-jre-headless libpdfbox2-java libactivation-java libjaxb-api-java"

_XMP = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:pdfaid="http://www.aiim.org/pdfa/ns/id/">
<pdfaid:part>{part}</pdfaid:part><pdfaid:conformance>B</pdfaid:conformance>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"""
_INTENT = (
    b"/OutputIntents[<</Type/OutputIntent/S/GTS_PDFA1/OutputConditionIdentifier(sRGB)"
    b"/DestOutputProfile 6 0 R>>]"
)


def archival_pdf(part: int = 1, *, intent: bool = True, extra: bytes = b"") -> bytes:
    """Write a page with nothing on it that claims PDF/A; `extra` goes into the page."""
    xmp = _XMP.format(part=part).encode()
    icc = profile()
    bodies = [
        b"<</Type/Catalog/Pages 2 0 R/Metadata 5 0 R%s>>" % (_INTENT if intent else b""),
        b"<</Type/Pages/Kids[4 0 R]/Count 1>>",
        b"<</Length 0>>\nstream\n\nendstream",
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 3 0 R/Resources<<>>%s>>" % extra,
        b"<</Type/Metadata/Subtype/XML/Length %d>>\nstream\n%s\nendstream" % (len(xmp), xmp),
        b"<</N 3/Length %d>>\nstream\n%s\nendstream" % (len(icc), icc),
    ]
    out = bytearray(
        b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n" if part == 1 else b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n"
    )
    offsets = []
    for number, body in enumerate(bodies, start=1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%s\nendobj\n" % (number, body)
    start = len(out)
    out += b"xref\n0 %d\n0000000000 65535 f \n" % (len(bodies) + 1)
    out += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    identifier = b"<00112233445566778899aabbccddeeff>"
    out += b"trailer\n<</Size %d/Root 1 0 R/ID[%s%s]>>\n" % (
        len(bodies) + 1,
        identifier,
        identifier,
    )
    return bytes(out + b"startxref\n%d\n%%%%EOF\n" % start)


def checker() -> list[str]:
    """Give the command of the independent checker; a missing one is a failure that says so."""
    binding = sorted(JARS.glob(f"{BINDING}*.jar"))
    jars = [JARS / f"{name}.jar" for name in NEEDED]
    missing = [str(jar) for jar in jars if not jar.exists()]
    if missing or not binding or shutil.which("java") is None:
        pytest.fail(
            "the independent checker of PDF/A is not on this machine: "
            f"apt-get install {PACKAGES} (as root); missing: {missing or 'java'}"
        )
    classpath = ":".join(map(str, [*jars, binding[0]]))
    return ["java", "-cp", classpath, "org.apache.pdfbox.preflight.Validator_A1b"]


def verdicts(command: list[str], files: list[Path]) -> list[str]:
    """Give the checker's words for each file; one start of the machine for each takes a second."""
    said = []
    for file in files:
        told = subprocess.run([*command, str(file)], capture_output=True, text=True, check=False)
        said.append(told.stdout + told.stderr)
    return said


# "Covers the whole file" can hold for the last revision's signature only; ISO 19005-2 6.4.3 means
# the file as it was when the signature was made.
_WHOLE_FILE = "SIGNATURE-BYTERANGE-001"
_PROFILES = {
    1: page.ValidationProfile.PDF_A_1B,
    2: page.ValidationProfile.PDF_A_2B,
    3: page.ValidationProfile.PDF_A_3B,
}


def faults(data: bytes, part: int, *, appended: bool = False) -> list[str]:
    """Give the rules of a part, level b, that a file breaks, as the second checker sees it.

    `appended` says that something was rightly added behind the first signature.
    """
    report = page.validate_pdf_bytes(data, profile=_PROFILES[part])
    rules = [failure.rule_id for failure in report.failures]
    if appended:
        rules = [rule for rule in rules if not rule.endswith(_WHOLE_FILE)]
    return rules
