"""What would happen if this document were signed, and why not: asked before any key is used.

The signing code itself is run up to the point where a key is needed, so the answer and the deed
cannot differ; beside it stands what a signer should know about the document.
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from typing import BinaryIO, cast

from pdf import decryption
from pdf.active_content import active_content
from pdf.algorithms import SignatureAlgorithm
from pdf.archival import Archival
from pdf.direct_revision import archival_of
from pdf.document import Document
from pdf.earlier import is_personal, signer_certificate
from pdf.errors import EncryptedPdf, PdfError
from pdf.messages import Message
from pdf.options import SignatureOptions
from pdf.permissions import Permissions
from pdf.placement import to_seen
from pdf.plain_document import opened
from pdf.preflight_messages import finding
from pdf.prepare import write_revision
from pdf.report import JSON
from pdf.revision import Revision, Wanted
from pdf.signature_fields import Field, fields, form_signatures, text
from pdf.signer import SignerChain
from pdf.syntax import PdfDict
from pdf.view import View

_HEADER = re.compile(rb"%PDF-(\d\.\d)")
_LINEARIZED_WITHIN = 1024
_MOST_FIELDS = 100
# An empty container is enough to see whether there is a place for one.
_ROOM = 64
_SEEDS = {
    "Filter": "filter",
    "SubFilter": "sub_filter",
    "DigestMethod": "digest",
    "Reasons": "reason",
    "MDP": "certification",
    "TimeStamp": "timestamp",
    "Cert": "certificate",
}


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """The answer: facts about the document, findings, where it would be signed, or why not."""

    document: dict[str, JSON]
    findings: tuple[Message, ...]
    place: dict[str, JSON] | None
    refusal: PdfError | None


def preflight(
    source: BinaryIO,
    *,
    options: SignatureOptions,
    signer: SignerChain,
    algorithm: SignatureAlgorithm,
) -> Preflight:
    """Ask what signing would do; nothing is written, and what is refused is in the answer."""
    facts, findings = inspect(source, password=options.password)
    if algorithm.is_experimental:
        findings = (*findings, finding("EXPERIMENTAL_ALGORITHM"))
    try:
        wanted = Wanted(options, signer, algorithm.hash_algorithm, _ROOM)
        revision = write_revision(source, wanted)
    except PdfError as error:
        return Preflight(document=facts, findings=findings, place=None, refusal=error)
    place = _place(revision, facts.get("pages"))
    return Preflight(document=facts, findings=findings, place=place, refusal=None)


def _place(revision: Revision, pages: JSON) -> dict[str, JSON]:
    placed = revision.placed
    if placed is None:
        return {"field": revision.field, "visible": False, "page": None, "box": None}
    box: list[JSON] = [round(side, 2) for side in to_seen(placed.page, placed.rectangle)]
    number = placed.page.number
    if number < 0 and isinstance(pages, int):
        number += pages + 1
    return {"field": revision.field, "visible": True, "page": number, "box": box}


def inspect(
    source: BinaryIO, *, password: str | None = None
) -> tuple[dict[str, JSON], tuple[Message, ...]]:
    """Tell what a document is and what in it a signer should know; rubble has few facts."""
    try:
        with opened(source) as buffer:
            return _inspected(Document(buffer), password)
    except (PdfError, ValueError, OverflowError, RecursionError):
        return {"readable": False}, ()


def _inspected(
    document: Document, password: str | None
) -> tuple[dict[str, JSON], tuple[Message, ...]]:
    codes: list[str] = []
    facts: dict[str, JSON] = {"readable": True, **_structure(document.latest)}
    if "Encrypt" in document.latest.trailer:
        facts["encrypted"] = True
        codes.append("ENCRYPTED")
        try:
            decryption.unlock(document, password)
        except EncryptedPdf as error:
            facts["password"] = error.code
            return facts, tuple(finding(code) for code in codes)
    view = document.latest
    if view.repaired:
        codes.append("FILE_REPAIRED")
    facts["pages"] = sum(1 for _ in view.pages())
    archival = archival_of(view)
    facts["pdfa"] = archival.name if isinstance(archival, Archival) else None
    if archival is not None:
        codes.append("PDFA_CLAIMED")
    codes += _signatures(view, facts)
    active = active_content(view)
    acting: list[JSON] = [
        {"code": each.code, "objects": list(each.objects)} for each in active.found
    ]
    facts["active_content"] = acting
    codes += [each.code for each in active.found]
    if not active.complete:
        codes.append("NOT_ALL_INSPECTED")
    return facts, tuple(finding(code) for code in codes)


def _structure(view: View) -> dict[str, JSON]:
    buffer = view.document.buffer
    header = _HEADER.search(buffer, 0, _LINEARIZED_WITHIN)
    newest = view.sections[0]
    hybrid = any(section.hybrid_offset is not None for section in view.sections)
    streams = newest.stream_number is not None
    return {
        "size": view.document.size,
        "version": header[1].decode() if header else None,
        "cross_references": "hybrid" if hybrid else "stream" if streams else "table",
        "linearized": b"/Linearized" in bytes(buffer[:_LINEARIZED_WITHIN]),
        "revisions": len(view.sections),
        "repaired": view.repaired,
        "encrypted": False,
    }


def _signatures(view: View, facts: dict[str, JSON]) -> list[str]:
    """Add the signature fields, filled and empty, and what the earlier signers permit."""
    signed: list[JSON] = []
    levels: list[int] = []
    for found in form_signatures(view):
        contents = view.resolve(found.dictionary.get("Contents"))
        der = signer_certificate(contents) if isinstance(contents, bytes) else None
        permissions = Permissions.of(view, found)
        if permissions.certification is not None:
            levels.append(permissions.certification)
        locks: list[JSON] = [
            {"action": lock.action, "fields": list(lock.names)} for lock in permissions.locks
        ]
        signed.append(
            {
                "field": found.field,
                "signer": _name(der),
                "personal": is_personal(der) if der is not None else None,
                "locks": locks,
            }
        )
    empty: list[JSON] = [
        _empty_field(view, field)
        for field in fields(view)[:_MOST_FIELDS]
        if field.kind == "Sig" and view.resolve(field.value) is None
    ]
    facts["signatures"] = signed
    facts["empty_fields"] = empty
    facts["certification"] = min(levels, default=None)
    present = {"EARLIER_SIGNATURES": signed, "EMPTY_FIELDS": empty, "CERTIFIED": levels}
    return [code for code, found in present.items() if found]


def _name(der: bytes | None) -> str | None:
    with suppress(PdfError):
        return SignerChain(der).common_name if der is not None else None
    return None


def _empty_field(view: View, field: Field) -> dict[str, JSON]:
    seed = view.dictionary(field.dictionary.get("SV")) or PdfDict()
    demands: list[JSON] = [word for key, word in _SEEDS.items() if key in seed]
    lock = view.dictionary(field.dictionary.get("Lock"))
    locked: dict[str, JSON] | None = None
    if lock is not None:
        names = [text(view.resolve(each)) for each in view.array(lock.get("Fields"))]
        locked = {
            "action": str(view.name(lock.get("Action")) or "All"),
            "fields": cast("list[JSON]", names),
        }
    return {"name": field.name, "demands": demands, "lock": locked}
