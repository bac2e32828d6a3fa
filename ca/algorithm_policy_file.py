"""The algorithm policy as a TOML file that an administration keeps and dates itself.

[[legacy_anchor]]
sha256_fingerprint = "..."            # of the anchor's DER, hexadecimal, colons allowed
since = 2010-03-10T00:00:00+07:00
until = 2030-03-05T23:59:59+07:00
source = "number and date of the decision"
documents = false                     # true: documents may be digested with SHA-1 there, too

[hashes]                              # replaces single rows of the built-in table
sha224 = 2024-12-31T23:59:59+07:00    # the last moment; true: without end, false: never

[signatures]                          # what a signature must have, see ca/signature_demands.py
required = ["signing_certificate"]
known_policies_only = false           # true: a signature policy not listed here is no ground

[[signature_policy]]
identifier = "1.2.3.4"
digests = ["..."]                     # hexadecimal, as signatures state them
source = "where the policy is published"
"""

from __future__ import annotations

import re
import tomllib
from datetime import datetime
from typing import TYPE_CHECKING, Final

from ca.algorithm_policy import HASHES, AlgorithmPolicy, LegacyAnchor
from ca.errors import PolicyUnreadable
from ca.signature_demands import ATTRIBUTES, KnownSignaturePolicy, SignatureDemands

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

MAX_BYTES: Final = 256 * 1024
_FINGERPRINT_BYTES: Final = 32
_KNOWN: Final = frozenset({"legacy_anchor", "hashes", "signatures", "signature_policy"})
_IDENTIFIER: Final = re.compile(r"[0-2](\.(0|[1-9][0-9]*))+")


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
        hashes=_hashes(hashes),
        dated_anchors=tuple(_anchor(one) for one in anchors),
        demands=_demands(found.get("signatures", {}), found.get("signature_policy", [])),
    )


def _demands(signatures: object, policies: object) -> SignatureDemands:
    if not isinstance(signatures, dict) or not isinstance(policies, list):
        raise PolicyUnreadable("signatures is a table and signature_policy a list of tables")
    required = signatures.get("required", [])
    if not isinstance(required, list) or set(required) - set(ATTRIBUTES):
        raise PolicyUnreadable(f"signatures.required: of {', '.join(ATTRIBUTES)}")
    return SignatureDemands(
        tuple(required),
        tuple(_signature_policy(one) for one in policies),
        signatures.get("known_policies_only") is True,
    )


def _signature_policy(row: object) -> KnownSignaturePolicy:
    if not isinstance(row, dict) or not isinstance(row.get("digests"), list):
        raise PolicyUnreadable("signature_policy: identifier and a list of digests are expected")
    identifier = str(row.get("identifier", ""))
    if not _IDENTIFIER.fullmatch(identifier):
        raise PolicyUnreadable("signature_policy.identifier: numbers with dots are expected")
    try:
        digests = tuple(bytes.fromhex(str(one)).hex() for one in row["digests"])
    except ValueError as error:
        raise PolicyUnreadable("signature_policy.digests: hexadecimal digits") from error
    return KnownSignaturePolicy(identifier, digests, str(row.get("source", "")))


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
    source, documents = str(row.get("source", "")), row.get("documents") is True
    return LegacyAnchor(fingerprint, since, until, source, documents)


def _moment(value: object, where: str) -> datetime:
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise PolicyUnreadable(f"{where}: a time with its zone is expected")
    return value
