"""The name of a key: one line of text that says where it is, and never how to unlock it.

``pkcs11:`` URIs follow RFC 7512 (path and query attributes, percent-encoding). Our own schemes:
``soft:/path/key.p12?pin-source=file:/…`` an encrypted key file; ``holder:name`` a key in a person's
hands; ``csc:name`` and ``sim:name`` keys at a remote service or on a phone. Two URIs are equal when
they name the same attributes with the same values, however they were spelled.

Stricter than the RFC on purpose, since a URI here decides who signs: ``pin-value`` is refused, so
are unknown or repeated attributes and a ``pin-source`` that would run a program.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import quote_from_bytes

from hsm.errors import KeyUriInvalid

MAX_URI_LENGTH: Final = 4096
"""Longer text is refused before it is parsed; a full URI of every attribute stays below 1 kB."""

MAX_COPIES: Final = 8
"""Tokens that one key may lie on; pairs are usual, and every one more has to be kept alike."""

_PATH_ATTRIBUTES: Final = (
    "library-manufacturer",
    "library-description",
    "library-version",
    "slot-manufacturer",
    "slot-description",
    "slot-id",
    "manufacturer",
    "model",
    "serial",
    "token",
    "object",
    "type",
    "id",
)
_QUERY_ATTRIBUTES: Final = ("module-name", "module-path", "pin-source")
_TYPES: Final = frozenset({"public", "private", "cert", "secret-key", "data"})
# RFC 7512 2.3: characters that may stand for themselves beside the unreserved ones of RFC 3986.
_SAFE_IN_PATH: Final = ":[]@!$'()*+,=&"
_SAFE_IN_QUERY: Final = ":[]@!$'()*+,=/?|"
_SAFE_IN_FILE: Final = "/:@!$'()*+,;=&"
_BETWEEN_COPIES: Final = re.compile(r" +(?=pkcs11:)")
_LITERAL: Final = re.compile(r"(?:[A-Za-z0-9._~:/?\[\]@!$'()*+,;=&|-]|%[0-9A-Fa-f]{2})*\Z")


class KeyScheme(StrEnum):
    """Where a key is kept."""

    PKCS11 = "pkcs11"
    SOFT = "soft"
    HOLDER = "holder"
    CSC = "csc"
    SIM = "sim"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyURI:
    """A parsed key URI.

    *attributes* holds the path attributes of a ``pkcs11:`` URI except ``id``, decoded; *id* is the
    CKA_ID as bytes; *location* is the file of ``soft:`` or the reference of the other schemes;
    *others* are the URIs of the same key on other tokens.
    Build one with :meth:`parse`, :meth:`for_token` or :meth:`for_file`.
    """

    scheme: KeyScheme
    attributes: Mapping[str, str] = field(default_factory=dict)
    id: bytes | None = None
    location: str = ""
    module_name: str | None = None
    module_path: str | None = None
    pin_source: str | None = None
    others: "tuple[KeyURI, ...]" = ()

    @classmethod
    def parse(cls, text: str) -> "KeyURI":
        """Read a URI; raises KeyUriInvalid with the reason, quoting no attribute's value."""
        if len(text) > MAX_URI_LENGTH:
            raise KeyUriInvalid(f"the key URI is longer than {MAX_URI_LENGTH} characters")
        if len(parts := _BETWEEN_COPIES.split(text)) > 1:
            return cls.of_copies([cls.parse(part) for part in parts])
        scheme_text, colon, rest = text.partition(":")
        try:
            scheme = KeyScheme(scheme_text.lower())
        except ValueError:
            raise KeyUriInvalid(
                f"the key URI must begin with one of {', '.join(f'{s}:' for s in KeyScheme)}"
            ) from None
        if not colon or not _LITERAL.match(rest):
            raise KeyUriInvalid("the key URI has a character that must be percent-encoded")
        path, _, query = rest.partition("?")
        options = _query(query)
        if scheme is KeyScheme.PKCS11:
            return _pkcs11(path, options)
        if set(options) - {"pin-source"}:
            raise KeyUriInvalid(f"a {scheme}: URI takes no option but pin-source")
        location = _text(path, "the location")
        if not location or "\0" in location:
            raise KeyUriInvalid(f"the {scheme}: URI does not say which key")
        return cls(scheme=scheme, location=location, pin_source=options.get("pin-source"))

    @classmethod
    def of_copies(cls, uris: "Sequence[KeyURI]") -> "KeyURI":
        """Name one key by its places on several tokens, the preferred one first."""
        copies = tuple(copy for uri in uris for copy in uri.copies)
        if not 0 < len(copies) <= MAX_COPIES or len(set(copies)) < len(copies):
            raise KeyUriInvalid(f"a key has 1 to {MAX_COPIES} different URIs")
        if len(copies) > 1 and any(uri.scheme is not KeyScheme.PKCS11 for uri in copies):
            raise KeyUriInvalid("only pkcs11: URIs may name copies of one key")
        return replace(copies[0], others=copies[1:])

    @property
    def copies(self) -> "tuple[KeyURI, ...]":
        """The places of the key, one URI each."""
        return (replace(self, others=()), *self.others)

    @classmethod
    def for_file(cls, path: Path, *, pin_source: str | None = None) -> "KeyURI":
        """Name a key file, absolute or relative."""
        return cls(scheme=KeyScheme.SOFT, location=str(path), pin_source=pin_source)

    @classmethod
    def for_token(
        cls,
        *,
        serial: str,
        label: str | None = None,
        module_path: Path | None = None,
        pin_source: str | None = None,
    ) -> "KeyURI":
        """Name a token; :meth:`with_key` then names a key on it."""
        attributes = {"serial": serial} if label is None else {"serial": serial, "token": label}
        return cls(
            scheme=KeyScheme.PKCS11,
            attributes=attributes,
            module_path=None if module_path is None else str(module_path),
            pin_source=pin_source,
        )

    def with_key(self, *, key_id: bytes | None = None, label: str | None = None) -> "KeyURI":
        """Name the private key with this CKA_ID and CKA_LABEL on the same token or tokens."""
        attributes = {k: v for k, v in self.attributes.items() if k not in {"object", "type"}}
        if label is not None:
            attributes["object"] = label
        attributes["type"] = "private"
        others = tuple(uri.with_key(key_id=key_id, label=label) for uri in self.others)
        return replace(self, attributes=attributes, id=key_id, others=others)

    def token_only(self) -> "KeyURI":
        """Drop what names an object, keep the (preferred) token and how to reach it."""
        attributes = {k: v for k, v in self.attributes.items() if k not in {"object", "type"}}
        return replace(self, attributes=attributes, id=None, others=())

    @property
    def serial(self) -> str | None:
        """The token's serial number."""
        return self.attributes.get("serial")

    @property
    def token(self) -> str | None:
        """The token's label."""
        return self.attributes.get("token")

    @property
    def object(self) -> str | None:
        """The key's label (CKA_LABEL)."""
        return self.attributes.get("object")

    @property
    def answers_now(self) -> bool:
        """Whether a key store opens it as a private key that signs at once."""
        return self.scheme in {KeyScheme.PKCS11, KeyScheme.SOFT}

    def __hash__(self) -> int:
        return hash(str(self))

    def __str__(self) -> str:
        options = {
            "module-name": self.module_name,
            "module-path": self.module_path,
            "pin-source": self.pin_source,
        }
        query = "&".join(
            f"{name}={_quote(value, _SAFE_IN_QUERY)}"
            for name, value in options.items()
            if value is not None
        )
        text = f"{self.scheme}:{self._path()}{'?' if query else ''}{query}"
        return " ".join((text, *map(str, self.others)))

    def _path(self) -> str:
        if self.scheme is not KeyScheme.PKCS11:
            return _quote(self.location, _SAFE_IN_FILE)
        parts = [
            f"{name}={_quote(self.attributes[name], _SAFE_IN_PATH)}"
            for name in _PATH_ATTRIBUTES
            if name in self.attributes
        ]
        if self.id is not None:
            parts.append("id=" + "".join(f"%{byte:02X}" for byte in self.id))
        return ";".join(parts)


def _quote(value: str, safe: str) -> str:
    return quote_from_bytes(value.encode(), safe=safe)


def _pkcs11(path: str, options: Mapping[str, str]) -> KeyURI:
    attributes: dict[str, str] = {}
    key_id: bytes | None = None
    for name, raw in _pairs(path, ";"):
        if name == "pin-value":
            raise KeyUriInvalid("pin-value is not accepted: a URI is stored and logged")
        if name not in _PATH_ATTRIBUTES:
            raise KeyUriInvalid(f"unknown attribute {name!r} in the pkcs11: URI")
        if name in attributes or (name == "id" and key_id is not None):
            raise KeyUriInvalid(f"attribute {name!r} stands twice in the pkcs11: URI")
        if name == "id":
            key_id = _decoded(raw)
        else:
            attributes[name] = _text(raw, name)
    _check_values(attributes)
    return KeyURI(
        scheme=KeyScheme.PKCS11,
        attributes=attributes,
        id=key_id,
        module_name=options.get("module-name"),
        module_path=options.get("module-path"),
        pin_source=options.get("pin-source"),
    )


def _check_values(attributes: Mapping[str, str]) -> None:
    if attributes.get("type", "private") not in _TYPES:
        raise KeyUriInvalid("type must be private, public, cert, secret-key or data")
    slot = attributes.get("slot-id")
    if slot is not None and not (slot.isascii() and slot.isdecimal()):
        raise KeyUriInvalid("slot-id must be a decimal number")


def _query(query: str) -> dict[str, str]:
    options: dict[str, str] = {}
    for name, raw in _pairs(query, "&"):
        if name == "pin-value":
            raise KeyUriInvalid("pin-value is not accepted: a URI is stored and logged")
        if name not in _QUERY_ATTRIBUTES:
            raise KeyUriInvalid(f"unknown option {name!r} in the key URI")
        if name in options:
            raise KeyUriInvalid(f"option {name!r} stands twice in the key URI")
        options[name] = _text(raw, name)
    source = options.get("pin-source")
    if source is not None and not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:.", source):
        raise KeyUriInvalid("pin-source must be file:/path or another named source")
    if "module-name" in options and "module-path" in options:
        raise KeyUriInvalid("the key URI gives both module-name and module-path")
    return options


def _pairs(text: str, separator: str) -> list[tuple[str, str]]:
    pairs = []
    for part in text.split(separator) if text else []:
        name, equals, value = part.partition("=")
        if not equals:
            raise KeyUriInvalid("the key URI has a part without '='")
        pairs.append((name, value))
    return pairs


def _decoded(raw: str) -> bytes:
    # Every character left after _LITERAL is ASCII, and every % is followed by two hex digits.
    return re.sub(
        rb"%([0-9A-Fa-f]{2})", lambda match: bytes.fromhex(match[1].decode()), raw.encode()
    )


def _text(raw: str, what: str) -> str:
    try:
        return _decoded(raw).decode()
    except UnicodeDecodeError:
        raise KeyUriInvalid(f"{what} in the key URI is not UTF-8 text") from None
