"""A verification report for people at a terminal: both languages, with the ETSI words.

Who signed comes first, then when and what became of the document; what to do next comes last.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Final, cast

from rich.markup import escape

from pdf.appearance import local_time
from pdf.report_rows import part, parts
from pdf.report_sheet import answer_of, integrity_word, steps_of
from pdf.report_signer import name_of, posts_of
from pdf.report_words import Language, shown, term
from signing.edoc_words import EDOC_STEPS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pdf.report import JSON

MOST_CHANGES: Final = 20
_COLOURS: Final = {
    "TOTAL_PASSED": "green",
    "TOTAL_FAILED": "red",
    "INDETERMINATE": "yellow",
}


def describe(report: Mapping[str, JSON]) -> str:
    """Return the report as text with colours for a terminal."""
    lines = [f"{escape(shown(report['file']))}: {_verdict(report)} - {_both(answer_of(report))}"]
    for signature in parts(report, "signatures"):
        lines += _signature(signature)
    for attached in parts(report, "attachments"):
        judged = cast("dict[str, JSON] | None", attached["report"])
        lines.append(describe(judged) if judged else f"{escape(shown(attached['name']))}: ?")
    for name in cast("list[str]", report.get("missing") or []):
        lines.append(f"{escape(shown(name))}: [red]thiếu / missing[/red]")
    lines += [
        f"  → {escape(str(one['vi']))} / {escape(str(one['en']))}"
        for one in parts(part(report, "decision"), "reasons")
    ]
    lines += [f"  ⇒ {vi} / {en}" for vi, en in steps_of(report, EDOC_STEPS)]
    return "\n".join(lines)


def _verdict(judged: Mapping[str, JSON]) -> str:
    word = str(judged["indication"])
    colour = _COLOURS.get(word, "bold")
    sub = judged.get("sub_indication")
    said = f"{word} ({sub})" if sub else word
    return f"[{colour}]{said}[/{colour}] {_both(word).lower()}"


def _signature(signature: Mapping[str, JSON]) -> list[str]:
    stamp = signature["kind"] == "document_timestamp"
    number = int(str(signature["index"])) + 1
    kind = f"{_both('document_timestamp')}: " if stamp else ""
    level = "" if stamp else f" · {signature['level']}"
    revocation = part(signature, "revocation")
    status = str(revocation["status"])
    since = f" {_when(revocation['revoked_at'])}" if revocation["revoked_at"] else ""
    return [
        f"  {number}. {kind}{_who(part(signature, 'signer'))}",
        f"     {_verdict(signature)}{level}",
        f"     {_time(signature, stamp=stamp)}",
        f"     {_labelled('integrity')} {_both(integrity_word(signature)[0])}",
        f"     {_labelled('revocation')} {status} {_both(status)}{since}",
        *_changes(part(signature, "integrity")),
        *(
            f"     - {escape(str(message['vi']))} / {escape(str(message['en']))}"
            for message in parts(signature, "messages")
            if message["level"] != "info"
        ),
    ]


def _who(signer: Mapping[str, JSON]) -> str:
    """Name the signer, their posts and their agency, as far as the certificate does."""
    if not signer:
        return "?"
    name = shown(signer["common_name"] or name_of(signer["subject"]))
    named = (name, *posts_of(signer), shown(signer["organization"] or ""))
    return escape(", ".join(dict.fromkeys(word for word in named if word)))


def _time(signature: Mapping[str, JSON], *, stamp: bool) -> str:
    """Say when, and who says so; a document time-stamp that holds proves its own time."""
    time = part(signature, "time")
    if stamp:
        proven = signature["indication"] == "TOTAL_PASSED"
        how = "proven_time" if proven else "unconfirmed_time"
        return f"{_labelled('stamped_time')} {_when(time['claimed'])} ({_both(how)})"
    how = "proven_time" if time["proven"] else "claimed_time"
    at = time["proven"] or time["claimed"]
    return f"{_labelled('signing_time')} {_when(at)}" + (f" ({_both(how)})" if at else "")


def _when(moment: JSON) -> str:
    return local_time(datetime.fromisoformat(str(moment))) if moment else _both("unknown").lower()


def _both(key: str) -> str:
    return f"{term(key, Language.VI)} / {term(key, Language.EN)}"


def _labelled(key: str) -> str:
    return f"{_both(key)}:"


def _changes(integrity: Mapping[str, JSON]) -> list[str]:
    """Name each later change, forbidden ones first, with the rule that permits or forbids it."""
    changes = cast("list[dict[str, str | None]]", integrity["changes"])
    ordered = sorted(changes, key=lambda one: one["permitted_by"] is not None)
    lines = [
        f"     {'+' if one['permitted_by'] else '[red]![/red]'} "
        f"{escape(str(one['vi']))} / {escape(str(one['en']))}"
        for one in ordered[:MOST_CHANGES]
    ]
    if len(ordered) > MOST_CHANGES:
        lines.append(f"     … {len(ordered) - MOST_CHANGES}")
    return lines
