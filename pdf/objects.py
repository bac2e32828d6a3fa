"""PDF values as plain Python, and how they are written (ISO 32000-2 section 7.3).

What this room adds to a document (signature, field, stamp, font) is described once in these terms;
where it goes is the sink's business: a revision through the object layer of `layer`, or finished
bytes of `serialise`. Nothing here reads PDF.

    None, bool, int, float, str (text), bytes (binary string), Name, Ref, Raw, list, dict, Stream
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol, TypeAlias


@dataclass(frozen=True, slots=True)
class Name:
    """A name without its slash."""

    value: str


@dataclass(frozen=True, slots=True)
class Ref:
    """A reference to an indirect object."""

    number: int
    generation: int = 0


@dataclass(frozen=True, slots=True)
class Raw:
    """Finished bytes of a value that holds no string (strings are encrypted in encrypted files)."""

    data: bytes


@dataclass(frozen=True, slots=True)
class Stream:
    """A stream whose data is already encoded as its dictionary says; /Length is added."""

    entries: "Mapping[str, Value]"
    data: bytes


Value: TypeAlias = (
    "bool | int | float | str | bytes | Name | Ref | Raw | Stream"
    " | Sequence[Value] | Mapping[str, Value] | None"
)


class ObjectSink(Protocol):
    """Takes a new indirect object and says where it will be found."""

    def add(self, value: Value) -> Ref:
        """Add one object."""


_REGULAR = frozenset(
    b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!\"$&'*+,-.:;=?@\\^_`|~"
)


def serialise(value: Value) -> bytes:  # noqa: C901, PLR0911 - one branch per kind of value
    """Write one value."""
    match value:
        case None:
            return b"null"
        case bool():
            return b"true" if value else b"false"
        case int():
            return b"%d" % value
        case float():
            return number(value)
        case str():
            return text_string(value)
        case bytes():
            return b"<%s>" % value.hex().encode()
        case Name():
            return name(value.value)
        case Ref():
            return b"%d %d R" % (value.number, value.generation)
        case Raw():
            return value.data
        case Stream():
            head = serialise({**value.entries, "Length": len(value.data)})
            return head + b"\nstream\n" + value.data + b"\nendstream"
        case dict() | Mapping():  # the check for the protocol costs ten times that for the class
            return b"<<%s>>" % b"".join(
                name(key) + b" " + serialise(item) for key, item in value.items()
            )
        case _:
            return b"[%s]" % b" ".join(serialise(item) for item in value)


def number(value: float) -> bytes:
    """Write a real with up to four decimals, never with an exponent."""
    short = f"{value:.4f}".rstrip("0").rstrip(".")
    return b"0" if short == "-0" else short.encode()


@lru_cache(maxsize=4096)
def name(value: str) -> bytes:
    """Write a name, its irregular bytes as #xx."""
    return b"/" + b"".join(
        bytes((byte,)) if byte in _REGULAR else b"#%02X" % byte for byte in value.encode()
    )


def text_string(value: str) -> bytes:
    """Write text: ASCII as a literal string, anything else as UTF-16 with its byte order mark."""
    if value.isascii() and value.isprintable():
        escaped = value.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
        return b"(%s)" % escaped.encode()
    return b"<FEFF%s>" % value.encode("utf-16-be").hex().upper().encode()
