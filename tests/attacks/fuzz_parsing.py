"""Coverage-guided: `python -m tests.attacks.fuzz_parsing [TARGET] [options of libFuzzer]`.

Atheris watches which branches of our readers an input reaches and breeds further inputs from those
that reach new ones. Each target is a reader of strangers' bytes with what it promises; anything
else that comes out of it ends the run with the input written beside. A run begins with seeds made
here and now, and with the files of a folder if one is given.
"""

import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["pdf", "ca"], enable_loader_override=False):
    from ca import crl_checks, der, ocsp_checks, ocsp_messages, tsa_messages
    from ca.errors import TimestampRequestInvalid
    from ca.parsed_certificates import CertificateUnreadable, parse
    from pdf import cms_check, filters
    from pdf.detached import DetachedQuestion, verify_detached
    from pdf.direct_revision import write_direct
    from pdf.document import Document
    from pdf.errors import PdfError
    from pdf.limits import DEFAULT_LIMITS
    from pdf.options import SignatureOptions
    from pdf.packed_objects import NotPlain
    from pdf.plain_document import plain_document
    from pdf.revision import Wanted
    from pdf.signature_fields import find_signatures
    from pdf.syntax import PdfDict, read_object
    from pdf.verify import verify

from tests.attacks.mutated_files import corpus_sources, fresh_sources
from tests.pdf.rewritten import FORMS, hybrid_file, packed_file
from tests.pdf.signing_kit import person
from tests.pdf.verifying_kit import TRUST_ALL

AT = datetime(2026, 6, 1, tzinfo=UTC)
_FILTERS = ("FlateDecode", "LZWDecode", "ASCII85Decode", "ASCIIHexDecode", "RunLengthDecode")
_LIMIT = 4 * 1024 * 1024
WANTED = Wanted(SignatureOptions(signing_time=AT), person().chain, "sha256", 2000)


def document(data: bytes) -> None:
    report = verify(BytesIO(data), name="f.pdf", at=AT, checked_at=AT, validator=TRUST_ALL)
    codes = {message.code for one in report.signatures for message in one.messages}
    if "INTERNAL_FAILURE" in codes | set(report.reasons):
        raise AssertionError("an exception was caught at the door")


def short_way(data: bytes) -> None:
    """Read a document to sign it, and write the revision if it is plain."""
    for page in (1, -1):
        plain = plain_document(data, page=page)
        with suppress(NotPlain):
            if plain is not None:
                write_direct(plain, WANTED)


def objects(data: bytes) -> None:
    try:
        read_object(data, 0)
    except PdfError:
        return


def stream(data: bytes) -> None:
    """Undo filters; the first bytes say which, and with what prediction."""
    if len(data) < 4:
        return
    entries = PdfDict()
    entries["Filter"] = [_FILTERS[data[0] % 5], _FILTERS[data[1] % 5]][: 1 + data[0] // 128]
    if data[2] > 127:
        parameters = PdfDict()
        parameters.update(Predictor=data[2] - 118, Columns=data[3], Colors=1 + data[1] % 5)
        entries["DecodeParms"] = parameters
    try:
        filters.decode(data[4:], entries, limit=_LIMIT)
    except PdfError:
        return


def container(data: bytes) -> None:
    covered = cms_check.Covered(digest=lambda _: b"\x00" * 32, everything=lambda: b"")
    for kind in ("adbe.pkcs7.detached", "ETSI.RFC3161", "adbe.pkcs7.sha1"):
        cms_check.check_cms(data, sub_filter=kind, covered=covered, limits=DEFAULT_LIMITS)


def detached(data: bytes) -> None:
    question = DetachedQuestion(content_name="letter.txt", at=AT, checked_at=AT)
    verify_detached(data, BytesIO(b"letter"), question=question, validator=TRUST_ALL)


def certificate(data: bytes) -> None:
    try:
        parse(data).policy_mappings()
    except CertificateUnreadable:
        return


def evidence(data: bytes) -> None:
    crl_checks.load(data)
    ocsp_checks.next_update(data)


def requests(data: bytes) -> None:
    for read, refused in (
        (ocsp_messages.parse_request, der.DerError),
        (tsa_messages.parse_request, TimestampRequestInvalid),
    ):
        try:
            read(data)
        except refused:
            continue


TARGETS: dict[str, Callable[[bytes], None]] = {
    found.__name__: found
    for found in (
        document,
        short_way,
        objects,
        stream,
        container,
        detached,
        certificate,
        evidence,
        requests,
    )
}


def everything(data: bytes) -> None:
    """All targets in one run; the first byte says which."""
    if data:
        tuple(TARGETS.values())[data[0] % len(TARGETS)](data[1:])


def seeds() -> Iterator[tuple[str, bytes]]:
    """For each target what it reads, out of files signed here and now."""
    sources = [*fresh_sources(), *corpus_sources()]
    for source in sources:
        if len(source.data) < 60_000:
            yield "document", source.data
            yield "short_way", source.data
    for source in sources[:16]:
        for found in find_signatures(Document(source.data)):
            contents = found.dictionary.get("Contents")
            if isinstance(contents, bytes):
                yield "container", contents.rstrip(b"\x00")
                yield "detached", contents.rstrip(b"\x00")
                covered = cms_check.Covered(digest=lambda _: b"", everything=lambda: b"")
                facts = cms_check.check_cms(
                    contents, sub_filter=None, covered=covered, limits=DEFAULT_LIMITS
                )
                yield from (("certificate", one) for one in facts.certificates)
                yield from (("evidence", one) for one in (*facts.crls, *facts.ocsp_responses))
    yield from (("short_way", packed_file(bodies)) for bodies in FORMS.values())
    yield "short_way", hybrid_file()
    yield "objects", b"<</A[1 2 R (x\\)y) <0a>/N#20 true null -1.5]/B<</C 3>>>>"
    yield "stream", bytes((0, 0, 0, 0)) + b"x\x9c\x03\x00\x00\x00\x00\x01"
    yield "stream", bytes((1, 1, 200, 4)) + b"\x80\x0b\x60\x50\x22\x0c\x0c\x85\x01"


def main() -> None:
    """Fuzz one target, or all of them."""
    given = sys.argv[1:]
    target = TARGETS.get(given[0], everything) if given else everything
    rest = given[1:] if given and given[0] in {*TARGETS, "everything"} else given
    names = list(TARGETS)
    with tempfile.TemporaryDirectory() as folder:
        for number, (name, data) in enumerate(seeds()):
            if target is everything:
                Path(folder, str(number)).write_bytes(bytes((names.index(name),)) + data)
            elif name == target.__name__:
                Path(folder, str(number)).write_bytes(data)
        options = ["-timeout=20", "-rss_limit_mb=2048", "-max_len=65536"]
        atheris.Setup([sys.argv[0], *options, *rest, folder], target)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
