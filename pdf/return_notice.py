"""The printable notice with which a clerk returns a document, its reasons named by their codes.

Places that only the office can fill in (number, receiver, signature) are left as dotted lines.
"""

from pdf.report_rows import Part, Report, Row, Section, Sheet, Tone, part, parts
from pdf.report_sheet import document_rows, reason_rows
from pdf.report_words import Language, shown, term, when

_DOTS = "." * 60


def return_notice(report: Report, language: Language) -> Sheet | None:
    """Arrange the notice; None when the document is to be accepted."""
    if part(report, "decision").get("accept"):
        return None
    signers = tuple(_signer(one, language) for one in parts(report, "signatures"))
    absent = report.get("missing")
    missing = tuple(map(shown, absent)) if isinstance(absent, list) else ()
    checked = str(report["checked_at"])
    return Sheet(
        language=language,
        title=term("notice_title", language),
        banner="",
        tone=Tone.PLAIN,
        intro=(
            f"{term('notice_number', language)}: {'.' * 20}",
            f"{term('notice_from', language)}: {_DOTS}",
            f"{term('notice_to', language)}: {_DOTS}",
            term("notice_text", language),
        ),
        sections=(
            Section(
                heading=term("document", language),
                rows=(
                    *document_rows(report, language),
                    Row(term("checked_at", language), (when(checked, language),)),
                ),
            ),
            Section(heading=term("reasons", language), rows=reason_rows(report, language)),
            *([Section(heading=term("missing", language), items=missing)] if missing else []),
            *([Section(heading=term("signature", language), rows=signers)] if signers else []),
        ),
        closing=(term("notice_request", language),),
        signed_by=(
            when(checked, language),
            term("notice_clerk", language),
            term("notice_sign_here", language),
        ),
        name=shown(report["file"]),
    )


def _signer(signature: Part, language: Language) -> Row:
    """Say whose signature it is, how it stands, and what is wrong with it."""
    name = shown(part(signature, "signer").get("common_name") or term("unknown", language))
    word = str(signature["indication"])
    wrong = tuple(
        shown(one[language.value])
        for one in parts(signature, "messages")
        if one["level"] == "error"
    )
    kind = "signature" if signature["kind"] == "signature" else "document_timestamp"
    return Row(
        f"{term(kind, language)} {int(str(signature['index'])) + 1}",
        (name, f"{term(word, language)} ({signature['sub_indication'] or word})", *wrong),
    )
