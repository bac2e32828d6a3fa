"""What `antin verify` trusts: files of certificates, and trusted lists with their signer."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from api.errors import ParameterInvalid
from ca import anchor_files
from ca.trusted_list import MAX_LIST_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime
    from pathlib import Path


def anchors_and_terms(
    trusted: Sequence[Path] | None,
    lists: Sequence[Path] | None,
    signer: Path | None,
    *,
    at: datetime,
) -> tuple[tuple[bytes, ...], str | None]:
    """Return anchors as DER and, as JSON by fingerprint, the terms of those from lists."""
    own = anchor_files.load_pem_anchors(trusted) if trusted else []
    if not lists:
        return tuple(own), None
    from ca import trusted_lists  # noqa: PLC0415 -- the database's tables come along, and most need no list

    if signer is None:
        raise ParameterInvalid("--list-signer", "the certificate of the lists' signer is needed")
    certificate = _read(signer)
    read = [trusted_lists.read_list(_read(one), signer=certificate, at=at) for one in lists]
    found = trusted_lists.trusted_by(read, own=own)
    terms = {mark.hex(): one.to_json() for mark, one in found.terms.items()}
    return found.anchors, json.dumps(terms)


def _read(file: Path) -> bytes:
    try:
        with file.open("rb") as source:
            return source.read(MAX_LIST_BYTES + 1)
    except OSError as error:
        raise ParameterInvalid(str(file), error.strerror or "cannot be read") from error
