"""A verification report for people at a terminal: Vietnamese first, with the ETSI words."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, cast

from rich.markup import escape

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pdf.report import JSON

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
        *(
            f"     - {escape(message['vi'])} / {escape(message['en'])}"
            for message in cast("list[dict[str, str]]", signature["messages"])
            if message["level"] != "info"
        ),
    ]
