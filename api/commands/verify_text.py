"""A verification report for people at a terminal: Vietnamese first, with the ETSI words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from rich.markup import escape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pdf.report import JSON

MOST_CHANGES: Final = 20
_COLOURS: Final = {
    "TOTAL_PASSED": "green",
    "TOTAL_FAILED": "red",
    "INDETERMINATE": "yellow",
}
_WORDS: Final = {
    "TOTAL_PASSED": "hợp lệ / valid",
    "TOTAL_FAILED": "không hợp lệ / invalid",
    "INDETERMINATE": "chưa kết luận được / not confirmed",
    "NO_SIGNATURE": "không có chữ ký số / no signature",
    "NOT_A_PDF": "không phải PDF đọc được / not a readable PDF",
}


def describe(report: Mapping[str, JSON]) -> str:
    """Return the report as text with colours for a terminal."""
    lines = [f"{escape(str(report['file']))}: {_verdict(report)}"]
    for signature in cast("list[dict[str, JSON]]", report.get("signatures") or []):
        lines += _signature(signature)
    for attached in cast("list[dict[str, JSON]]", report.get("attachments") or []):
        judged = cast("dict[str, JSON] | None", attached["report"])
        lines.append(describe(judged) if judged else f"{escape(str(attached['name']))}: ?")
    decision = cast("dict[str, JSON]", report["decision"])
    for reason in cast("list[dict[str, str]]", decision["reasons"]):
        lines.append(f"  → {escape(reason['vi'])} / {escape(reason['en'])}")
    return "\n".join(lines)


def _verdict(part: Mapping[str, JSON]) -> str:
    word = str(part["indication"])
    colour = _COLOURS.get(word, "bold")
    sub = part.get("sub_indication")
    shown = f"{word} ({sub})" if sub else word
    return f"[{colour}]{shown}[/{colour}] {_WORDS.get(word, '')}"


def _signature(signature: Mapping[str, JSON]) -> list[str]:
    signer = cast("dict[str, JSON] | None", signature["signer"]) or {}
    time = cast("dict[str, JSON]", signature["time"])
    integrity = cast("dict[str, JSON]", signature["integrity"])
    revocation = cast("dict[str, JSON]", signature["revocation"])
    name = escape(str(signer.get("common_name") or signer.get("subject") or "?"))
    organization = signer.get("organization")
    who = name + (f", {escape(str(organization))}" if organization else "")
    since = f" {revocation['revoked_at']}" if revocation["revoked_at"] else ""
    when = f"{time['proven'] or time['claimed'] or '?'} ({time['source']})"
    changes = f"{integrity['coverage']}, sau khi ký / after: {integrity['changes_after']}"
    return [
        f"  {signature['index']}. {who}",
        f"     {_verdict(signature)} · {signature['level']}",
        f"     thời gian ký / time: {when}",
        f"     toàn vẹn / integrity: {changes}",
        f"     thu hồi / revocation: {revocation['status']}{since}",
        *_changes(integrity),
        *(
            f"     - {escape(message['vi'])} / {escape(message['en'])}"
            for message in cast("list[dict[str, str]]", signature["messages"])
            if message["level"] != "info"
        ),
    ]


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
