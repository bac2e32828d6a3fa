"""The algorithm policy as a TOML file that an administration keeps and dates itself.

[[legacy_anchor]]
sha256_fingerprint = "..."            # of the anchor's DER, hexadecimal, colons allowed
since = 2010-03-10T00:00:00+07:00
until = 2030-03-05T23:59:59+07:00
source = "number and date of the decision"

[hashes]                              # replaces single rows of the built-in table
sha224 = 2024-12-31T23:59:59+07:00    # the last moment; true: without end, false: never
"""

from __future__ import annotations

import tomllib
from datetime import datetime
from typing import TYPE_CHECKING, Final

from ca.algorithm_policy import HASHES, AlgorithmPolicy, LegacyAnchor
from ca.errors import PolicyUnreadable

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_BYTES: Final = 256 * 1024
_FINGERPRINT_BYTES: Final = 32
_KNOWN: Final = frozenset({"legacy_anchor", "hashes"})


def load_policy(file: Path) -> AlgorithmPolicy:
    """Read a policy file; PolicyUnreadable says what is wrong in it."""
    return read_policy(policy_text(file))


def policy_text(file: Path) -> str:
    """Read the text of a policy file that is understood; PolicyUnreadable otherwise."""
    try:
        data = file.read_bytes()[: MAX_BYTES + 1]
    except OSError as error:
        raise PolicyUnreadable(f"{file}: {error.strerror}") from error
    if len(data) > MAX_BYTES:
        raise PolicyUnreadable(f"{file}: too large")
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise PolicyUnreadable(f"{file}: not UTF-8") from error
    read_policy(text)
    return text


def read_policy(text: str) -> AlgorithmPolicy:
    """Read the text of a policy file."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PolicyUnreadable(f"no TOML: {error}") from error
    unknown = set(found) - _KNOWN
    if unknown:
        raise PolicyUnreadable(f"unknown: {', '.join(sorted(unknown))}")
    anchors = found.get("legacy_anchor", [])
    hashes = found.get("hashes", {})
    if not isinstance(anchors, list) or not isinstance(hashes, dict):
        raise PolicyUnreadable("legacy_anchor is a list of tables and hashes a table")
    return AlgorithmPolicy(
        hashes=_hashes(hashes), dated_anchors=tuple(_anchor(one) for one in anchors)
    )


def _hashes(rows: Mapping[str, object]) -> Mapping[str, datetime | None]:
    table = dict(HASHES)
    for name, end in rows.items():
        if end is False:
            table.pop(name, None)
        elif end is True:
            table[name] = None
        else:
            table[name] = _moment(end, f"hashes.{name}")
    return table


def _anchor(row: object) -> LegacyAnchor:
    if not isinstance(row, dict):
        raise PolicyUnreadable("legacy_anchor is a list of tables")
    try:
        fingerprint = bytes.fromhex(str(row.get("sha256_fingerprint", "")).replace(":", ""))
    except ValueError as error:
        raise PolicyUnreadable("sha256_fingerprint: hexadecimal digits are expected") from error
    if len(fingerprint) != _FINGERPRINT_BYTES:
        raise PolicyUnreadable("sha256_fingerprint: 64 hexadecimal digits are expected")
    since, until = (_moment(row.get(key), key) for key in ("since", "until"))
    if since > until:
        raise PolicyUnreadable("since lies after until")
    return LegacyAnchor(fingerprint, since, until, str(row.get("source", "")))


def _moment(value: object, where: str) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise PolicyUnreadable(f"{where}: a time with its zone is expected")
    return value
