"""Names in certificates as text, and that text taken apart again (X.501, RFC 4514).

Reports carry one line that a machine can read back; papers for people show its parts with labels
of their own. A name that is no name at all is shown as its octets, never as an error.
"""

from functools import lru_cache
from typing import Final

from pdf import der
from pdf.der import BadDer, Node
from pdf.plain_text import plain

_CACHE_SIZE = 512
_COMMON_NAME, _ORGANIZATION = "2.5.4.3", "2.5.4.10"
_KEYWORDS: Final = {
    "2.5.4.3": "CN",
    "2.5.4.4": "surname",
    "2.5.4.5": "serialNumber",
    "2.5.4.6": "C",
    "2.5.4.7": "L",
    "2.5.4.8": "ST",
    "2.5.4.9": "STREET",
    "2.5.4.10": "O",
    "2.5.4.11": "OU",
    "2.5.4.12": "title",
    "2.5.4.15": "businessCategory",
    "2.5.4.17": "postalCode",
    "2.5.4.20": "telephoneNumber",
    "2.5.4.41": "name",
    "2.5.4.42": "givenName",
    "2.5.4.44": "generationQualifier",
    "2.5.4.46": "dnQualifier",
    "2.5.4.65": "pseudonym",
    "2.5.4.97": "organizationIdentifier",
    "0.9.2342.19200300.100.1.1": "UID",
    "0.9.2342.19200300.100.1.25": "DC",
    "1.2.840.113549.1.9.1": "emailAddress",
    "1.2.840.113549.1.9.2": "unstructuredName",
}
_ENCODINGS: Final = {
    0x0C: "utf-8",
    0x12: "utf-8",
    0x13: "utf-8",
    0x14: "latin-1",
    0x16: "utf-8",
    0x1A: "utf-8",
    0x1C: "utf-32-be",
    0x1E: "utf-16-be",
}
_SPECIAL: Final = '\\"+,;<>'
_HEX: Final = "0123456789abcdefABCDEF"
_HEX_PAIR: Final = 2


@lru_cache(maxsize=_CACHE_SIZE)
def written(name: bytes) -> str:
    """Write a DER name as RFC 4514 does, the most particular part first."""
    try:
        parts = [
            "+".join(_pair(*pair.children()) for pair in relative.children())
            for relative in der.parse(name).children()
        ]
    except (BadDer, ValueError, TypeError):
        return name.hex()
    return ",".join(reversed(parts))


@lru_cache(maxsize=_CACHE_SIZE)
def texts(name: bytes, kind: str) -> tuple[str, ...]:
    """Give what a DER name says under an attribute type (its dotted OID); nothing for rubble."""
    found: list[str] = []
    try:
        for relative in der.parse(name).children():
            for pair in relative.children():
                identifier, value = pair.children()
                if der.oid(identifier) == kind:
                    encoding = _ENCODINGS.get(value.tag, "utf-8")
                    found.append(plain(value.value.decode(encoding, errors="replace")))
    except (BadDer, ValueError):
        pass
    return tuple(found)


def common_name(name: bytes) -> str | None:
    """Give the common name of a DER name."""
    return next(iter(texts(name, _COMMON_NAME)), None)


def organization(name: bytes) -> str | None:
    """Give the organisation of a DER name."""
    return next(iter(texts(name, _ORGANIZATION)), None)


def attributes(text: str) -> tuple[tuple[str, str], ...]:
    """Take the text of `written` apart: keyword and value, in its order; empty for other text."""
    found: list[tuple[str, str]] = []
    for part in _split(text):
        keyword, equals, value = part.partition("=")
        if not equals or not keyword.replace(".", "").isalnum():
            return ()
        found.append((keyword, _unescaped(value)))
    return tuple(found)


def _pair(kind: Node, value: Node) -> str:
    identifier = der.oid(kind)
    encoding = _ENCODINGS.get(value.tag)
    keyword = _KEYWORDS.get(identifier)
    if keyword is None or encoding is None:
        return f"{keyword or identifier}=#{value.raw.hex()}"
    return f"{keyword}={_escaped(plain(value.value.decode(encoding, errors='replace')))}"


def _escaped(text: str) -> str:
    quoted = "".join(f"\\{c}" if c in _SPECIAL else c for c in text).replace("\0", "\\00")
    if quoted.startswith(("#", " ")):
        quoted = f"\\{quoted}"
    if quoted.endswith(" ") and len(text) > 1:
        quoted = f"{quoted[:-1]}\\ "
    return quoted


def _split(text: str) -> list[str]:
    """Cut at commas and plus signs that are not escaped."""
    parts, start, index = [], 0, 0
    while index < len(text):
        if text[index] == "\\":
            index += 1
        elif text[index] in ",+":
            parts.append(text[start:index])
            start = index + 1
        index += 1
    return [*parts, text[start:]]


def _unescaped(text: str) -> str:
    out, index = bytearray(), 0
    while index < len(text):
        if text[index] == "\\" and index + 1 < len(text):
            pair = text[index + 1 : index + 1 + _HEX_PAIR]
            if len(pair) == _HEX_PAIR and all(c in _HEX for c in pair):
                out += bytes.fromhex(pair)
                index += 1 + _HEX_PAIR
                continue
            index += 1
        out += text[index].encode("utf-8", errors="replace")
        index += 1
    return out.decode("utf-8", errors="replace")
