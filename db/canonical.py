"""One spelling for every value, so that equal content always has equal bytes.

JSON with sorted keys, no spaces and UTF-8 letters, in the manner of RFC 8785. Values that JSON does
not know are written as text: times as RFC 3339 in UTC, UUIDs in their usual form, bytes as hex.
"""

import functools
import json
import math
import uuid
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Final, TypeAlias

from db.base import require_aware
from db.errors import ValueUnsuitable

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
"""What plain JSON can say."""


_ENCODER: Final = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, sort_keys=True, separators=(",", ":")
)


def canonical_json(value: object) -> str:
    """Return the one JSON text of `value`.

    Characters that no JSON column can hold (NUL, lone surrogates) become U+FFFD: a strange file
    name must not keep an action out of the log. Raises ValueUnsuitable or NaiveDatetime.
    """
    return _ENCODER.encode(plain(value))


def plain(value: object) -> Json:
    """Return `value` in the types of JSON, copied, so later changes to it do not matter."""
    if isinstance(value, Enum):
        return plain(value.value)
    if isinstance(value, str):
        return clean_text(value)
    if value is None or isinstance(value, int | float):  # a bool is an int
        return _finite(value)
    if isinstance(value, Mapping):
        return {_key(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    return _as_text(value)


def clean_text(text: str) -> str:
    """Replace what neither UTF-8 nor PostgreSQL can store."""
    if "\0" not in text and (text.isascii() or _is_utf8(text)):
        return text
    return (
        text.encode("utf-16-le", "surrogatepass")
        .decode("utf-16-le", "replace")
        .replace("\0", "\N{REPLACEMENT CHARACTER}")
    )


def utc_text(moment: datetime) -> str:
    """Return an aware time as RFC 3339 in UTC with microseconds."""
    return _utc_text(require_aware(moment))


@functools.lru_cache(maxsize=16)
def _utc_text(moment: datetime) -> str:
    """Write a time in UTC; what is done together has one time."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _is_utf8(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _finite(value: float | None) -> Json:
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueUnsuitable(f"{value} is not a number JSON can write")
    return value


def _as_text(value: object) -> str:
    if isinstance(value, datetime):
        return utc_text(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, uuid.UUID | Decimal):
        return str(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return bytes(value).hex()
    if isinstance(value, set | frozenset):
        raise ValueUnsuitable("a set has no order; give a sorted list")
    raise ValueUnsuitable(f"a {type(value).__name__} has no canonical form")


def _key(key: object) -> str:
    if isinstance(key, str):
        return clean_text(key)
    raise ValueUnsuitable(f"a key is a {type(key).__name__}, not text")
