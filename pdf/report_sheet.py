"""A verification report arranged for people: headings, rows and lists, in one language.

The one arrangement that HTML and PDF share, made from the JSON of a report, so that a stored
report is shown like a fresh one.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Final

from pdf.differences import Difference
from pdf.next_steps import Words, next_steps
from pdf.report import JSON
from pdf.report_pictures import pictures
from pdf.report_rows import Part, Report, Row, Section, Sheet, Tone, part, parts
from pdf.report_signer import name_of, signer_rows
from pdf.report_words import Language, shown, term, when

_TONES = {
    "TOTAL_PASSED": Tone.GOOD,
    "TOTAL_FAILED": Tone.BAD,
    "INDETERMINATE": Tone.OPEN,
    "passed": Tone.GOOD,
    "failed": Tone.BAD,
    "error": Tone.BAD,
    "warning": Tone.OPEN,
}
_NO_STEPS: Final[Mapping[str, Words]] = MappingProxyType({})


def report_sheet(
    report: Report,
    language: Language,
    *,
    differences: Sequence[Difference] = (),
    steps: Mapping[str, Words] = _NO_STEPS,
) -> Sheet:
    """Arrange a report (the JSON of `DocumentReport.to_dict`), with pictures of changed pages.

    `steps` say what to do for reasons that only the caller knows.
    """
    sections = [*_decision(report, language, steps), _document(report, language)]
    for signature in parts(report, "signatures"):
        own = [one for one in differences if one.signature == signature["index"]]
        sections += _signature(signature, language, own)
    word = str(report["indication"])
    answer = answer_of(report)
    tone = _TONES.get(word, Tone.BAD)
    if answer == "wait":
        tone = Tone.OPEN
    return Sheet(
        language=language,
        title=term("title", language),
        banner=f"{term(word, language)} - {term(answer, language)}",
        tone=tone,
        sections=tuple(sections),
        name=shown(report["file"]),
    )


def reason_rows(report: Report, language: Language) -> tuple[Row, ...]:
    """Give the reasons of the decision, each with its code."""
    reasons = parts(part(report, "decision"), "reasons")
    return tuple(Row(str(one["code"]), (shown(one[language.value]),)) for one in reasons)


def steps_of(report: Report, others: Mapping[str, Words] = _NO_STEPS) -> list[Words]:
    """Say what a clerk does next with the document of a report."""
    reasons = parts(part(report, "decision"), "reasons")
    subs = [_text(one["sub_indication"]) for one in parts(report, "signatures")]
    return next_steps([str(one["code"]) for one in reasons], subs, others=others)


def answer_of(report: Report) -> str:
    """Accept or return what is decided; the rest waits for what is to be done first."""
    if part(report, "decision").get("accept"):
        return "accept"
    return "wait" if report["indication"] in {"TOTAL_PASSED", "INDETERMINATE"} else "return"


def _decision(
    report: Report, language: Language, others: Mapping[str, Words]
) -> tuple[Section, Section]:
    place = 0 if language is Language.VI else 1
    told = tuple(step[place] for step in steps_of(report, others))
    return (
        Section(
            heading=term("reasons", language),
            items=tuple(f"{row.texts[0]} ({row.label})" for row in reason_rows(report, language)),
        ),
        Section(heading=term("to_do", language), items=told, numbered=len(told) > 1),
    )


def document_rows(report: Report, language: Language) -> tuple[Row, ...]:
    """Give the rows that say which file it is."""
    size = f"{report['size']:,} {term('bytes', language)}"
    return (
        Row(term("file", language), (shown(report["file"]),)),
        Row(term("sha256", language), (str(report["sha256"]) or "-",)),
        Row(term("size", language), (size if language is Language.EN else size.replace(",", "."),)),
    )


def _document(report: Report, language: Language) -> Section:
    encrypted = "yes" if report["encrypted"] else "no"
    inside = (
        Row(term("revisions", language), (str(report["revisions"]),)),
        Row(term("encrypted", language), (term(encrypted, language),)),
    )
    return Section(
        heading=term("document", language),
        rows=(
            *document_rows(report, language),
            Row(term("checked_at", language), (when(_text(report["checked_at"]), language),)),
            Row(
                term("validation_time", language),
                (when(_text(report["validation_time"]), language),),
            ),
            *(inside if report["revisions"] else ()),  # not of a file that could not be opened
        ),
    )


def _signature(
    signature: Part, language: Language, differences: Sequence[Difference]
) -> list[Section]:
    kind = str(signature["kind"])
    name = term("signature_kind" if kind == "signature" else kind, language)
    number = int(str(signature["index"])) + 1
    sections = [Section(heading=f"{name} {number}", rows=_summary(signature, language))]
    said = tuple(
        Row(
            term(str(one["level"]), language),
            (f"{shown(one[language.value])} ({one['code']})",),
            _TONES.get(str(one["level"]), Tone.PLAIN),
        )
        for one in parts(signature, "messages")
    )
    changes = _changes(signature, language)
    known = part(signature, "registry")
    below = (
        ("messages", said),
        ("changes", changes),
        ("registry", _registry(known, language) if known else ()),
        ("criteria", _criteria(signature, language)),
    )
    for heading, rows in below:
        if rows:
            sections.append(Section(heading=term(heading, language), rows=rows, minor=True))
        if heading == "changes" and differences:
            shown_pages = pictures(differences, language)
            title = term("differences", language)
            sections.append(Section(heading=title, minor=True, pictures=shown_pages))
    return sections


def _criteria(signature: Part, language: Language) -> tuple[Row, ...]:
    return tuple(
        Row(
            f"{code} {term(code, language)}",
            (term(str(state), language),),
            _TONES.get(str(state), Tone.PLAIN),
        )
        for code, state in part(signature, "criteria").items()
    )


def _summary(signature: Part, language: Language) -> tuple[Row, ...]:
    word, kind = str(signature["indication"]), str(signature["kind"])
    sub = signature["sub_indication"]
    verdict = f"{term(word, language)} ({word}{f' / {sub}' if sub else ''})"
    rows = [Row(term("result", language), (verdict,), _TONES.get(word, Tone.PLAIN))]
    signer = part(signature, "signer")
    if signer:
        rows += signer_rows(signer, kind, language)
    integrity, tone = integrity_word(signature)
    rows += [
        _time(signature, language),
        Row(term("integrity", language), (term(integrity, language),), tone),
        _revocation(part(signature, "revocation"), language),
    ]
    if kind == "signature":
        level = f"{signature['level']} ({signature['sub_filter'] or '-'})"
        rows.append(Row(term("timestamps", language), _timestamps(signature, language)))
        rows.append(Row(term("level", language), (level,)))
    elif parts(signature, "timestamps"):
        rows.append(Row(term("later_timestamps", language), _timestamps(signature, language)))
    if signature["field"]:
        rows.append(Row(term("field", language), (shown(signature["field"]),)))
    return tuple(rows)


def _time(signature: Part, language: Language) -> Row:
    """Say when, and who says so; a document time-stamp that holds proves its own time."""
    time = part(signature, "time")
    if signature["kind"] == "document_timestamp":
        how = "proven" if signature["indication"] == "TOTAL_PASSED" else "unconfirmed"
        at = when(_text(time.get("claimed")), language)
        return Row(term("stamped_time", language), (f"{at} ({term(f'{how}_time', language)})",))
    lines = tuple(
        f"{when(_text(time[key]), language)} ({term(f'{key}_time', language)})"
        for key in ("proven", "claimed")
        if time.get(key)
    )
    return Row(term("signing_time", language), lines or (term("unknown", language),))


def integrity_word(signature: Part) -> tuple[str, Tone]:
    """Say in one term how the signed content stands, and how that is to be taken."""
    integrity = part(signature, "integrity")
    changes = parts(integrity, "changes")
    whole = integrity["digest_match"] and integrity["signature_match"]
    if signature["sub_indication"] == "HASH_FAILURE" or any(
        change["permitted_by"] is None for change in changes
    ):
        return "changed", Tone.BAD
    if not whole or integrity["coverage"] == "PARTIAL":
        return "integrity_unconfirmed", Tone.BAD
    return "unchanged" if integrity["changes_after"] == "NONE" else "supplemented", Tone.GOOD


def _revocation(revocation: Part, language: Language) -> Row:
    status = str(revocation["status"])
    words = term(status, language)
    if revocation["revoked_at"]:
        since = when(_text(revocation["revoked_at"]), language)
        words += f", {term('since', language)} {since}"
    if revocation["source"]:
        named = shown(revocation["source"])
        source = term("source_registry", language) if named == "registry" else named
        words += f" ({term('source', language)}: {source})"
    tone = {"GOOD": Tone.GOOD, "REVOKED": Tone.BAD, "SUSPENDED": Tone.BAD}.get(status, Tone.OPEN)
    return Row(term("revocation", language), (words,), tone)


def _timestamps(signature: Part, language: Language) -> tuple[str, ...]:
    lines = tuple(
        f"{when(_text(stamp['time']), language)} "
        f"({term('stamp_' + str(stamp['kind']), language)}): "
        f"{term(str(stamp['indication']), language)} - {name_of(stamp['authority'])}"
        for stamp in parts(signature, "timestamps")
    )
    return lines or (term("no_timestamp", language),)


def _changes(signature: Part, language: Language) -> tuple[Row, ...]:
    rows = []
    for change in parts(part(signature, "integrity"), "changes"):
        allowed = change["permitted_by"] is not None
        label = term("permitted" if allowed else "forbidden", language)
        text = shown(change[language.value])
        rows.append(Row(label, (text,), Tone.PLAIN if allowed else Tone.BAD))
    return tuple(rows)


def _registry(known: Part, language: Language) -> tuple[Row, ...]:
    rows = [
        Row(term(label, language), (shown(known[key]),))
        for label, key in (("signer", "subscriber"), ("post", "post"), ("unit", "organization"))
        if known.get(key)
    ]
    delegations = tuple(
        " ".join(shown(value) for value in one.values() if value is not None)
        for one in parts(known, "delegations")
    )
    if delegations:
        rows.append(Row(term("delegations", language), delegations))
    lines = tuple(
        f"{when(_text(one['at']), language)}: {_said(one['status'], language)}"
        + (f" ({_said(one['reason'], language)})" if one.get("reason") else "")
        for one in parts(known, "history")
    )
    if lines:
        rows.append(Row(term("history", language), lines))
    return tuple(rows)


def _said(value: JSON, language: Language) -> str:
    """Say a word of the registry in the reader's language; an unknown one as it is."""
    return term(shown(value), language)


def _text(value: JSON) -> str | None:
    return value if isinstance(value, str) else None
