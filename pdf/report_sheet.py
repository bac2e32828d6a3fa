"""A verification report arranged for people: headings, rows and lists, in one language.

The one arrangement that HTML and PDF share, made from the JSON of a report, so that a stored
report is shown like a fresh one.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias, cast

from pdf.differences import Difference
from pdf.report import JSON
from pdf.report_pictures import Picture, pictures
from pdf.report_words import Language, shown, term, when

Report: TypeAlias = Mapping[str, "JSON"]
Part: TypeAlias = Mapping[str, "JSON"]


class Tone(StrEnum):
    """How a line is to be taken; drawn as a colour beside the words, never instead of them."""

    GOOD = "good"
    BAD = "bad"
    OPEN = "open"
    PLAIN = "plain"


_TONES = {
    "TOTAL_PASSED": Tone.GOOD,
    "TOTAL_FAILED": Tone.BAD,
    "INDETERMINATE": Tone.OPEN,
    "passed": Tone.GOOD,
    "failed": Tone.BAD,
    "error": Tone.BAD,
    "warning": Tone.OPEN,
}


@dataclass(frozen=True)
class Row:
    """A label and what stands beside it, one line for each text."""

    label: str
    texts: tuple[str, ...]
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading with rows below it; `minor` ones belong to the section before."""

    heading: str
    rows: tuple[Row, ...] = ()
    minor: bool = False
    pictures: tuple[Picture, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Sheet:
    """A whole paper: title, the verdict as a banner, sections."""

    language: Language
    title: str
    banner: str
    tone: Tone
    sections: tuple[Section, ...]
    intro: tuple[str, ...] = ()
    closing: tuple[str, ...] = ()
    signed_by: tuple[str, ...] = ()
    name: str = ""


def report_sheet(
    report: Report, language: Language, *, differences: Sequence[Difference] = ()
) -> Sheet:
    """Arrange a report (the JSON of `DocumentReport.to_dict`), with pictures of changed pages."""
    sections = [_decision(report, language), _document(report, language)]
    for signature in parts(report, "signatures"):
        own = [one for one in differences if one.signature == signature["index"]]
        sections += _signature(signature, language, own)
    accept = bool(part(report, "decision").get("accept"))
    verdict = term(str(report["indication"]), language)
    return Sheet(
        language=language,
        title=term("title", language),
        banner=f"{verdict} - {term('accept' if accept else 'return', language)}",
        tone=Tone.GOOD if accept else _TONES.get(str(report["indication"]), Tone.BAD),
        sections=tuple(sections),
        name=shown(report["file"]),
    )


def part(whole: Part, key: str) -> Part:
    """Give an object inside a report; empty where there is none."""
    found = whole.get(key)
    return cast("Part", found) if isinstance(found, dict) else {}


def parts(whole: Part, key: str) -> Sequence[Part]:
    """Give a list of objects inside a report."""
    found = whole.get(key)
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def reason_rows(report: Report, language: Language) -> tuple[Row, ...]:
    """Give the reasons of the decision, each with its code."""
    reasons = parts(part(report, "decision"), "reasons")
    return tuple(Row(str(one["code"]), (shown(one[language.value]),)) for one in reasons)


def _decision(report: Report, language: Language) -> Section:
    return Section(heading=term("reasons", language), rows=reason_rows(report, language))


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
    return Section(
        heading=term("document", language),
        rows=(
            *document_rows(report, language),
            Row(term("checked_at", language), (when(_text(report["checked_at"]), language),)),
            Row(
                term("validation_time", language),
                (when(_text(report["validation_time"]), language),),
            ),
            Row(term("revisions", language), (str(report["revisions"]),)),
            Row(term("encrypted", language), (term(encrypted, language),)),
        ),
    )


def _signature(
    signature: Part, language: Language, differences: Sequence[Difference]
) -> list[Section]:
    kind = str(signature["kind"])
    name = term("signature_kind" if kind == "signature" else kind, language)
    number = int(str(signature["index"])) + 1
    sections = [
        Section(heading=f"{name} {number}", rows=_summary(signature, language)),
        Section(
            heading=term("criteria", language),
            rows=tuple(
                Row(
                    f"{code} {term(code, language)}",
                    (term(str(state), language),),
                    _TONES.get(str(state), Tone.PLAIN),
                )
                for code, state in part(signature, "criteria").items()
            ),
            minor=True,
        ),
    ]
    changes = _changes(signature, language)
    if changes:
        sections.append(Section(heading=term("changes", language), rows=changes, minor=True))
    if differences:
        shown_pages = pictures(differences, language)
        heading = term("differences", language)
        sections.append(Section(heading=heading, minor=True, pictures=shown_pages))
    known = part(signature, "registry")
    if known:
        rows = _registry(known, language)
        sections.append(Section(heading=term("registry", language), rows=rows, minor=True))
    said = tuple(
        Row(
            str(one["code"]),
            (shown(one[language.value]),),
            _TONES.get(str(one["level"]), Tone.PLAIN),
        )
        for one in parts(signature, "messages")
    )
    if said:
        sections.append(Section(heading=term("messages", language), rows=said, minor=True))
    return sections


def _summary(signature: Part, language: Language) -> tuple[Row, ...]:
    signer = part(signature, "signer")
    word = str(signature["indication"])
    sub = signature["sub_indication"]
    verdict = f"{term(word, language)} ({word}{f' / {sub}' if sub else ''})"
    rows = [Row(term("result", language), (verdict,), _TONES.get(word, Tone.PLAIN))]
    if signer:
        who = shown(signer["common_name"] or signer["subject"])
        rows.append(Row(term("signer", language), (who,)))
        if signer["organization"]:
            rows.append(Row(term("organization", language), (shown(signer["organization"]),)))
        rows += [
            Row(term("subject", language), (shown(signer["subject"]),)),
            Row(term("issuer", language), (shown(signer["issuer"]),)),
            Row(term("serial_number", language), (str(signer["serial_number"]),)),
            Row(
                term("certificate_validity", language),
                tuple(when(_text(signer[key]), language) for key in ("not_before", "not_after")),
            ),
        ]
    rows += [
        Row(term("signing_time", language), _times(part(signature, "time"), language)),
        _integrity(part(signature, "integrity"), language),
        _revocation(part(signature, "revocation"), language),
        Row(term("timestamps", language), _timestamps(signature, language)),
        Row(term("level", language), (f"{signature['level']} ({signature['sub_filter'] or '-'})",)),
    ]
    if signature["field"]:
        rows.append(Row(term("field", language), (shown(signature["field"]),)))
    return tuple(rows)


def _times(time: Part, language: Language) -> tuple[str, ...]:
    lines = [
        f"{when(_text(time[key]), language)} ({term(f'{key}_time', language)})"
        for key in ("proven", "claimed")
        if time.get(key)
    ]
    return tuple(lines) or (term("unknown", language),)


def _integrity(integrity: Part, language: Language) -> Row:
    whole = integrity["digest_match"] and integrity["signature_match"]
    changes = parts(integrity, "changes")
    forbidden = any(change["permitted_by"] is None for change in changes)
    if not whole or integrity["coverage"] == "PARTIAL" or forbidden:
        return Row(term("integrity", language), (term("changed", language),), Tone.BAD)
    key = "unchanged" if integrity["changes_after"] == "NONE" else "supplemented"
    return Row(term("integrity", language), (term(key, language),), Tone.GOOD)


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
        f"{when(_text(stamp['time']), language)}: {term(str(stamp['indication']), language)}"
        f" - {shown(stamp['authority'] or '?')}"
        for stamp in parts(signature, "timestamps")
    )
    return lines or (term("no_timestamp", language),)


def _changes(signature: Part, language: Language) -> tuple[Row, ...]:
    rows = []
    for change in parts(part(signature, "integrity"), "changes"):
        allowed = change["permitted_by"] is not None
        label = term("permitted" if allowed else "forbidden", language)
        by = f" [{shown(change['permitted_by'])}]" if allowed else ""
        text = shown(change[language.value]) + by
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
