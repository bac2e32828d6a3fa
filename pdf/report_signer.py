"""The rows of a report that say who signed: the person first, then post, agency and certificate."""

from collections.abc import Mapping
from typing import Final

from pdf.distinguished_names import attributes
from pdf.report import JSON
from pdf.report_rows import Row
from pdf.report_words import Language, shown, term, when

_SAID_ELSEWHERE: Final = frozenset({"CN", "O", "OU", "title"})
_PARTS_OF_A_NAME: Final = frozenset({"surname", "givenName"})


def signer_rows(signer: Mapping[str, JSON], kind: str, language: Language) -> tuple[Row, ...]:
    """Give the rows for a signer of the report's JSON; `kind` is that of the signature."""
    subject = attributes(str(signer["subject"]))
    name = shown(signer["common_name"] or name_of(signer["subject"]))
    organization = shown(signer["organization"] or "")
    rows = [
        ("signer" if kind == "signature" else "authority", (name,)),
        ("post", posts_of(signer)),
        ("organization", (organization,) if organization not in {"", name} else ()),
        ("unit", _values(subject, "OU")),
        ("other_particulars", _others(subject, name, language)),
        ("issuer", issuer_lines(signer["issuer"])),
        ("serial_number", (str(signer["serial_number"]),)),
        ("certificate_validity", (_validity(signer, language),)),
    ]
    return tuple(Row(term(label, language), texts) for label, texts in rows if texts)


def posts_of(signer: Mapping[str, JSON]) -> tuple[str, ...]:
    """Give the signer's posts."""
    return _values(attributes(str(signer["subject"])), "title")


def name_of(subject: JSON) -> str:
    """Give the name that people know a holder or authority by: its common name, else its agency."""
    found = dict(reversed(attributes(str(subject))))
    return shown(found.get("CN") or found.get("O") or subject or "?")


def issuer_lines(issuer: JSON) -> tuple[str, ...]:
    """Give the issuer's name and, on a line of its own, the agency it belongs to."""
    found = dict(reversed(attributes(str(issuer))))
    lines = (name_of(issuer), shown(found.get("O", "")))
    return tuple(dict.fromkeys(line for line in lines if line))


def _values(subject: tuple[tuple[str, str], ...], keyword: str) -> tuple[str, ...]:
    return tuple(shown(value) for key, value in subject if key == keyword)


def _others(subject: tuple[tuple[str, str], ...], name: str, language: Language) -> tuple[str, ...]:
    """Give what else the certificate says of its holder; parts of the name are said already."""
    return tuple(
        f"{term(f'attribute_{key}', language).removeprefix('attribute_')}: {shown(value)}"
        for key, value in subject
        if key not in _SAID_ELSEWHERE and not (key in _PARTS_OF_A_NAME and shown(value) in name)
    )


def _validity(signer: Mapping[str, JSON], language: Language) -> str:
    start, end = (when(str(signer[key]), language) for key in ("not_before", "not_after"))
    return f"{term('from', language)} {start} {term('until', language)} {end}"
